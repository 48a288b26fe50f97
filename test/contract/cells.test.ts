import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { Receiver } from './receiver.ts';
import { POST, TRUE, push } from './runbooks.ts';
import { StatusReply, read } from './shapes.ts';

let cluster: TestCluster;
let receiver: Receiver;
let folder: string;
let closedPort: number;

const node = (script: string) => ({ command: [process.execPath, '-e', script] });
const http = (url: string) => ({ http: { method: 'POST', url, body: { a: 1 } } });

/** One exec cell for each way to fail. */
const FAILED: Record<string, () => object> = {
  'an exit code': () => ({ exec: { command: ['sh', '-c', 'exit 3'] } }),
  'an HTTP response of 500 that the cell takes as a refusal': () => ({
    exec: { http: { ...http(`${receiver.url}/status/500`).http, refused: [500] } },
  }),
  'an HTTP response of 404': () => ({ exec: http(`${receiver.url}/status/404`) }),
  'an HTTP response of 429': () => ({ exec: http(`${receiver.url}/status/429`) }),
  'a refused connection': () => ({ exec: http(`http://127.0.0.1:${closedPort}/`) }),
  'a handler that throws': () => ({ exec: { handler: 'throws' } }),
  'a handler that rejects': () => ({ exec: { handler: 'rejects' } }),
  'a handler that says that nothing was begun': () => ({ exec: { handler: 'early' } }),
};
/** One exec cell for each way to be interrupted, with the reason that the log must have. */
const INTERRUPTED: Record<string, [reason: string, cell: () => object]> = {
  'its own SIGKILL': ['crash', () => ({ exec: { command: ['sh', '-c', 'kill -KILL $$'] } })],
  'an exit code of a shell whose program was killed': [
    'crash',
    () => ({ exec: { command: ['sh', '-c', 'exit 137'] } }),
  ],
  'an HTTP response of 302': ['crash', () => ({ exec: http(`${receiver.url}/status/302`) })],
  'an HTTP response of 504': ['crash', () => ({ exec: http(`${receiver.url}/status/504`) })],
  'a handler that was cut off': ['crash', () => ({ exec: { handler: 'cutOff' } })],
  'a handler that says so': ['crash', () => ({ exec: { handler: 'unsure' } })],
  'its own SIGTERM': ['crash', () => ({ exec: { command: ['sh', '-c', 'kill -TERM $$'] } })],
  'a connection reset after sending': [
    'crash',
    () => ({ exec: http(`${receiver.url}/reset/now`) }),
  ],
  'a time-out of a command': [
    'timeout',
    () => ({ exec: { command: ['sleep', '60'] }, timeout: '300ms' }),
  ],
  'a time-out of an http call': [
    'timeout',
    () => ({ exec: http(`${receiver.url}/hold/ever`), timeout: '300ms' }),
  ],
  'a time-out of a handler': ['timeout', () => ({ exec: { handler: 'waits' }, timeout: '300ms' })],
};

/** What handlers import from the package. */
const PACKAGE = new URL('../../dist/src/index.js', import.meta.url).href;

const slug = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');

const ECHO = `
  let text = '';
  process.stdin.on('data', (chunk) => (text += chunk)).on('end', () => {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('LEASEHOLD_')));
    console.log(JSON.stringify({ stdin: JSON.parse(text), env }));
  });`;

beforeAll(async () => {
  [receiver, folder] = await Promise.all([
    Receiver.listen(),
    mkdtemp(join(tmpdir(), 'leasehold-cells-')),
  ]);
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  closedPort = (closed.address() as AddressInfo).port;
  await new Promise((resolve) => closed.close(resolve));
  const handlers = join(folder, 'handlers.mjs');
  await writeFile(
    handlers,
    `import { NotBegun, OutcomeUnknown } from ${JSON.stringify(PACKAGE)};
     export const throws = () => { throw new Error('no'); };
     export const rejects = async () => { throw new Error('no'); };
     export const cutOff = async () => {
       throw new Error('no', { cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) });
     };
     export const unsure = () => { throw new OutcomeUnknown('no answer'); };
     export const early = () => { throw new NotBegun('the queue is full'); };
     export const waits = () => new Promise(() => {});
     export const gives = (call) => ({ ...call, signal: call.signal.aborted });`,
  );
  cluster = await TestCluster.start({ env: { LEASEHOLD_HANDLERS: handlers } });
  const endings = [
    ...Object.entries(FAILED).map(([name, cell]) => [name, cell()] as const),
    ...Object.entries(INTERRUPTED).map(([name, [, cell]]) => [name, cell()] as const),
  ].map(([name, cell]) => ({
    runbook: slug(name),
    version: 1,
    inputs: [],
    cells: [{ id: 'only', ...cell }],
  }));
  const outputs = {
    runbook: 'outputs',
    version: 1,
    inputs: ['order', 'amount'],
    cells: [
      { id: 'text', exec: { command: ['printf', 'plain text'] } },
      { id: 'json', exec: { command: ['printf', '{"from": "stdout"}'] } },
      {
        id: 'file',
        exec: node(
          `require('fs').writeFileSync(process.env.LEASEHOLD_OUTPUT_FILE, '{"from": "file"}'); console.log('{"from": "stdout"}')`,
        ),
      },
      { id: 'echo', exec: node(ECHO) },
      { id: 'handled', exec: { handler: 'gives' } },
      { id: 'quiet', exec: TRUE },
      { id: 'call', exec: http(`${receiver.url}/seen`) },
      {
        id: 'typed',
        exec: {
          http: {
            method: 'PUT',
            url: `${receiver.url}/typed`,
            body: {
              alone: '${inputs.amount}',
              within: 'of ${inputs.amount}',
              earlier: '${outputs.json.from}',
            },
          },
        },
      },
    ],
  };
  const retried = {
    runbook: 'retried',
    version: 1,
    inputs: ['url'],
    cells: [{ id: 'call', exec: POST, retry: { attempts: 3, backoff: '1ms' } }],
  };
  await Promise.all([push(cluster, ...endings, outputs, retried), cluster.startReplica('a')]);
});

afterAll(async () => {
  await cluster?.stop();
  await receiver?.close();
  await rm(folder, { recursive: true });
});

describe.concurrent('a definite failure', () => {
  it.each(Object.keys(FAILED))('%s is failed', async (name) => {
    await cluster.start(slug(name), slug(name));
    const receipt = await cluster.advance(slug(name), `${slug(name)}-1`);
    expect(receipt.outcome).toBe('halted');
    expect((await cluster.rows(slug(name))).map(({ kind }) => kind)).toEqual(['started', 'failed']);
  });
});

describe.concurrent('an unknown outcome', () => {
  it.each(Object.entries(INTERRUPTED))('%s is interrupted', async (name, [reason]) => {
    await cluster.start(slug(name), slug(name));
    const receipt = await cluster.advance(slug(name), `${slug(name)}-1`);
    expect(receipt.outcome).toBe('in_doubt');
    const rows = await cluster.rows(slug(name));
    expect(rows.map(({ kind, body }) => [kind, body['reason']])).toEqual([
      ['started', undefined],
      ['interrupted', reason],
    ]);
  });
});

describe('the input and output of an effect', () => {
  const inputs = { order: 'A-7', amount: 12.5 };
  let outputs: Record<string, unknown>;
  let rows: Awaited<ReturnType<TestCluster['rows']>>;

  beforeAll(async () => {
    await cluster.start('given', 'outputs', inputs);
    await cluster.advance('given', 'given-1');
    const { cells } = read(StatusReply, await cluster.status('given'));
    outputs = Object.fromEntries(cells.map((cell) => [cell.cellId, cell.output]));
    rows = await cluster.rows('given');
  });

  const startOf = (cellId: string) =>
    rows.find((row) => row.cell_id === cellId && row.kind === 'started');

  it('lets the instance complete', async () => {
    expect(read(StatusReply, await cluster.status('given')).status).toBe('completed');
  });

  it("a command's output is its file, else its standard output if that is JSON, else {stdout}", () => {
    expect(outputs).toMatchObject({
      file: { from: 'file' },
      json: { from: 'stdout' },
      text: { stdout: 'plain text' },
      quiet: { stdout: '' },
    });
  });

  it('a command gets {inputs, outputs} on standard input, and its attempt as LEASEHOLD_ variables', () => {
    const { stdin, env } = outputs['echo'] as { stdin: unknown; env: Record<string, string> };
    expect(stdin).toEqual({
      inputs,
      outputs: { text: { stdout: 'plain text' }, json: { from: 'stdout' }, file: { from: 'file' } },
    });
    expect(env).toEqual({
      LEASEHOLD_INSTANCE_ID: 'given',
      LEASEHOLD_CELL_ID: 'echo',
      LEASEHOLD_ATTEMPT: '1',
      LEASEHOLD_FENCING_TOKEN: String(startOf('echo')?.fencing_token),
      LEASEHOLD_IDEMPOTENCY_KEY: 'given/echo/1',
      LEASEHOLD_OUTPUT_FILE: expect.stringMatching(/^\//) as string,
    });
  });

  it('a handler gets the same', () => {
    expect(outputs['handled']).toMatchObject({
      instanceId: 'given',
      cellId: 'handled',
      attempt: 1,
      fencingToken: startOf('handled')?.fencing_token,
      idempotencyKey: 'given/handled/1',
      inputs,
      outputs: { json: { from: 'stdout' } },
      signal: false,
    });
  });

  it('an http cell sends Idempotency-Key and Leasehold-Fencing-Token', async () => {
    const { headers, body, method } = await receiver.arrived('/seen');
    expect(method).toBe('POST');
    expect(body).toEqual({ a: 1 });
    expect(headers).toMatchObject({
      'idempotency-key': 'given/call/1',
      'leasehold-fencing-token': String(startOf('call')?.fencing_token),
    });
  });

  it('a placeholder that is the whole string keeps its type', async () => {
    const { body, method } = await receiver.arrived('/typed');
    expect(method).toBe('PUT');
    expect(body).toEqual({ alone: 12.5, within: 'of 12.5', earlier: 'stdout' });
  });

  it('has a new key after a refusal', async () => {
    const path = '/status/422/again';
    await cluster.start('again', 'retried', { url: `${receiver.url}${path}` });
    expect(await cluster.advance('again', 'again-1')).toMatchObject({ outcome: 'halted' });
    const keys = receiver.arrivals
      .filter((arrival) => arrival.path === path)
      .map(({ headers }) => headers['idempotency-key']);
    expect(keys).toEqual(['again/call/1', 'again/call/2', 'again/call/3']);
    expect((await cluster.rows('again')).map(({ kind, attempt }) => `${kind} ${attempt}`)).toEqual([
      'started 1',
      'failed 1',
      'started 2',
      'failed 2',
      'started 3',
      'failed 3',
    ]);
  });

  it('has the same key after an attempt that never began', async () => {
    const path = '/status/429/again';
    await cluster.start('never', 'retried', { url: `${receiver.url}${path}` });
    expect(await cluster.advance('never', 'never-1')).toMatchObject({ outcome: 'halted' });
    const keys = receiver.arrivals
      .filter((arrival) => arrival.path === path)
      .map(({ headers }) => headers['idempotency-key']);
    expect(keys).toEqual(['never/call/1', 'never/call/1', 'never/call/1']);
    const failed = (await cluster.rows('never')).filter(({ kind }) => kind === 'failed');
    expect(failed.map(({ body }) => body['notBegun'])).toEqual([true, true, true]);
  });
});
