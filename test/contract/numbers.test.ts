import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { push } from './runbooks.ts';
import { ErrorReply, StatusReply, read } from './shapes.ts';

let cluster: TestCluster;
let server: Server;
let url: string;
/** The texts of the bodies that arrived. */
const arrived: string[] = [];

const ORDER = '12345678901234567890';
/** Prints or answers numbers that JavaScript would change, next to some that it keeps. */
const ANSWER = `{"order": ${ORDER}, "price": 1.10, "rate": 0.10000000000000000555, "n": 9007199254740992}`;
const KEPT = { order: ORDER, price: 1.1, rate: '0.10000000000000000555', n: 9_007_199_254_740_992 };
const POINTERS = ['/order', '/rate'];

const printf = (text: string) => ({ command: ['printf', '%s', text] });

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      arrived.push(Buffer.concat(chunks).toString());
      if (request.url === '/gzip')
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(ANSWER));
      else response.end(ANSWER);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  cluster = await TestCluster.start();
  const file = ['sh', '-c', 'printf %s "$0" > "$LEASEHOLD_OUTPUT_FILE"', ANSWER];
  const order = '${outputs.printed.order}';
  const numbers = {
    runbook: 'numbers',
    version: 1,
    inputs: ['amount'],
    cells: [
      { id: 'digits', exec: printf(ORDER) },
      { id: 'hash', exec: printf('1234e56') },
      { id: 'price', exec: printf('1.10') },
      { id: 'parsed', exec: printf('1.10'), output: 'json' },
      { id: 'raw', exec: printf(ANSWER), output: 'text' },
      { id: 'printed', exec: printf(ANSWER) },
      { id: 'written', exec: { command: file } },
      { id: 'answered', exec: { http: { url, body: { order, amount: '${inputs.amount}' } } } },
      { id: 'packed', exec: { http: { method: 'GET', url: `${url}/gzip` } } },
      { id: 'check', assert: [{ cell: 'answered', pointer: '/order', equals: ORDER }] },
    ],
  };
  const gate = {
    runbook: 'numbers-gate',
    version: 1,
    inputs: [],
    cells: [{ id: 'lost', exec: { command: ['sh', '-c', 'kill -KILL $$'] } }],
  };
  await Promise.all([push(cluster, numbers, gate), cluster.startReplica('a')]);
});

afterAll(async () => {
  await cluster?.stop();
  server?.closeAllConnections();
  server?.close();
});

describe('numbers that a JSON number would change', () => {
  it('come out of cells as text and listed, in status, events, the log and the next cell', async () => {
    const events: { rows: { cell_id: string; kind: string; body: unknown }[] }[] = [];
    cluster.nats.subscribe(cluster.subject('event', 'numbers'), {
      callback: (_error, message) => void events.push(message.json()),
    });
    await cluster.nats.flush();
    await cluster.start('numbers', 'numbers', { amount: 1.1 });
    const receipt = await cluster.advance('numbers', 'numbers-1');
    expect(receipt).toMatchObject({ outcome: 'completed' });

    const status = read(StatusReply, await cluster.status('numbers', { log: true }));
    const outputs = Object.fromEntries(status.cells.map(({ cellId, output }) => [cellId, output]));
    expect(outputs).toMatchObject({
      digits: { stdout: ORDER },
      hash: { stdout: '1234e56' },
      price: { stdout: '1.10' },
      parsed: 1.1,
      raw: { stdout: ANSWER },
      printed: KEPT,
      written: KEPT,
      answered: KEPT,
      packed: KEPT,
    });
    expect(arrived).toContain(JSON.stringify({ order: ORDER, amount: 1.1 }));

    const { rows } = await cluster.app.query<{ cell_id: string; body: unknown; text: string }>(
      `select cell_id, body, body::text as text from leasehold.executions
         where instance_id = 'numbers' and kind = 'completed'`,
    );
    for (const cellId of ['printed', 'written', 'answered', 'packed']) {
      const row = rows.find((one) => one.cell_id === cellId);
      expect(row?.body).toMatchObject({ output: KEPT, detail: { numbersAsText: POINTERS } });
      expect(row?.text).toContain(`"${ORDER}"`);
      const published = events
        .flatMap((event) => event.rows)
        .find((one) => one.cell_id === cellId && one.kind === 'completed');
      expect(published?.body).toEqual(row?.body);
    }
  });

  it('are rejected in start, claim and decide, on the wire and on the command line', async () => {
    const wrong = { code: 'invalid', message: expect.stringContaining(ORDER) as string };
    const start = `{"instanceId":"n-2","runbookId":"numbers","inputs":{"amount":{"order":[${ORDER}]}},"agentId":"a"}`;
    expect(
      read(ErrorReply, await cluster.request(cluster.subject('start'), start)).error,
    ).toMatchObject({
      ...wrong,
      field: 'inputs.amount.order.0',
    });
    expect(read(ErrorReply, await cluster.status('n-2')).error.code).toBe('not_found');

    const claim = `{"status":"ok","agentId":"a","evidence":{"n":${ORDER}}}`;
    expect(
      read(ErrorReply, await cluster.request(cluster.subject('claim', 'n-2'), claim)).error,
    ).toMatchObject({ ...wrong, field: 'evidence.n' });

    const decide = `{"agentId":"a","cellId":"c","attempt":1,"as":"succeeded","reason":"x","output":${ORDER}}`;
    expect(
      read(ErrorReply, await cluster.request(cluster.subject('decide', 'n-2'), decide)).error,
    ).toMatchObject({ ...wrong, field: 'output' });

    const inputs = `{"amount": ${ORDER}}`;
    const cli = await cluster.cli(['start', 'n-2', '--runbook', 'numbers', '--inputs', inputs]);
    expect(cli.code).toBe(2);
    expect(cli.stderr).toContain(`The number ${ORDER} at /amount cannot be kept exactly`);
  });
});
