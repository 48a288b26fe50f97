import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Bus, BusMessage } from '../../../src/bus/bus.ts';
import { connectBus } from '../../../src/bus/nats.ts';
import { subjects } from '../../../src/bus/subjects.ts';
import type { Subjects } from '../../../src/bus/subjects.ts';
import type { Json, JsonObject } from '../../../src/json.ts';
import { recordImports } from '../../harness/import-log.ts';
import { row, rowsUpTo } from '../../harness/paged-rows.ts';
import { freshNamespace, serversForTests } from '../../harness/servers.ts';

/*
 * The command line as a separate process, against a replica that the test simulates.
 */

const MAIN = join(import.meta.dirname, '../../../cli/main.ts');

let replica: Bus;
let names: Subjects;
let namespace: string;

beforeEach(async () => {
  namespace = freshNamespace();
  names = subjects(namespace);
  replica = await connectBus({
    servers: [...serversForTests().natsUrls],
    name: 'simulated replica',
  });
});

afterEach(() => replica.close());

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

function start(line: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...line], {
    env: {
      PATH: process.env['PATH'],
      LEASEHOLD_NATS_URLS: serversForTests().natsUrls.join(),
      LEASEHOLD_NAMESPACE: namespace,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  const waiters: (() => void)[] = [];
  const changed = (): void => waiters.splice(0).forEach((wake) => wake());
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => ((out += chunk), changed()));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => ((err += chunk), changed()));
  const ended = new Promise<Ended>((resolve) =>
    child.once('close', (code) => resolve({ code, out, err })),
  );
  const until = async (condition: (out: string, err: string) => boolean): Promise<void> => {
    while (!condition(out, err)) await new Promise<void>((resolve) => waiters.push(resolve));
  };
  return { child, ended, until };
}

const cli = (line: string[], env?: Record<string, string>): Promise<Ended> =>
  start(line, env).ended;

function answer(subject: string, reply: (body: JsonObject, message: BusMessage) => Json): void {
  replica.subscribe(subject, (message) => {
    message.reply(reply(JSON.parse(new TextDecoder().decode(message.data)) as JsonObject, message));
  });
}

const receipt = (body: JsonObject, more: JsonObject = {}): JsonObject => ({
  requestId: body['requestId'] ?? null,
  instanceId: 'i-1',
  outcome: 'completed',
  steps: [{ seq: 1, cellId: 'charge', kind: 'started', attempt: 1 }],
  nextCellId: null,
  holder: { replicaId: 'r-1', fencingToken: 7 },
  ...more,
});

describe('the command line against a replica', () => {
  it('prints the reply as on the wire, one line, nothing else on stdout', async () => {
    const seen: JsonObject[] = [];
    answer(names.all('advance'), (body) => {
      seen.push(body);
      return receipt(body, { later: 1 });
    });
    await replica.flush();
    const flags = [
      '--cell',
      'charge',
      '--max-cells',
      '2',
      '--wait',
      '--request-id',
      'q-1',
      '--agent',
      'anna',
    ];
    const { code, out } = await cli(['advance', 'i-1', '--json', ...flags]);
    expect(code).toBe(0);
    expect(out.endsWith('\n') && out.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(out)).toEqual(receipt({ requestId: 'q-1' }, { later: 1 }));
    expect(seen).toEqual([
      {
        requestId: 'q-1',
        agentId: 'anna',
        cellId: 'charge',
        maxCells: 2,
        wait: true,
        expiresAt: expect.any(String),
      },
    ]);
  });

  it('exits with the code of the outcome', async () => {
    const outcomes = {
      'in-doubt': 'in_doubt',
      busy: 'in_flight',
      bad: 'invalid',
      gone: 'unavailable',
    };
    answer(names.all('advance'), (body, message) => {
      const id = message.subject.split('.').at(-1) as keyof typeof outcomes;
      const inDoubt = {
        cellId: 'charge',
        attempt: 1,
        reason: 'crash',
        since: '2030-01-01T00:00:00Z',
      };
      return receipt(body, { instanceId: id, outcome: outcomes[id], inDoubt });
    });
    await replica.flush();
    const ends = await Promise.all(Object.keys(outcomes).map((id) => cli(['advance', id])));
    expect(ends.map(({ code }) => code)).toEqual([4, 3, 2, 5]);
    expect(ends[0]?.out).toContain(
      'leasehold decide in-doubt --cell charge --attempt 1 --as succeeded',
    );
  });

  it('starts with inputs, claims with evidence and decides with an output', async () => {
    const seen: JsonObject[] = [];
    answer(names.start, (body) => {
      seen.push(body);
      return { instanceId: 'i-1', runbookId: 'refund', version: 2, created: true };
    });
    answer(names.all('claim'), (body) => {
      seen.push(body);
      return { claimId: 'c-1', revision: 4, status: 'approved' };
    });
    answer(names.all('decide'), (body) => {
      seen.push(body);
      return { error: { code: 'conflict', message: 'it was decided before' } };
    });
    await replica.flush();
    const started = await cli([
      'start',
      'i-1',
      '--runbook',
      'refund',
      '--version',
      '2',
      '--inputs',
      '{"a": 1}',
      '--input',
      'order=007',
      '--agent',
      'x',
    ]);
    const claimed = await cli([
      'claim',
      'c-1',
      'approved',
      '--evidence',
      '{"by": "anna"}',
      '--agent',
      'x',
      '--json',
    ]);
    const settled = [
      '--cell',
      'charge',
      '--attempt',
      '2',
      '--as',
      'succeeded',
      '--reason',
      'seen',
      '--output',
      '{"count": 1}',
    ];
    const decided = await cli(['decide', 'i-1', ...settled, '--json'], { LEASEHOLD_AGENT_ID: 'y' });
    expect(seen).toEqual([
      {
        instanceId: 'i-1',
        runbookId: 'refund',
        version: 2,
        inputs: { a: 1, order: '007' },
        agentId: 'x',
      },
      { status: 'approved', agentId: 'x', evidence: { by: 'anna' } },
      {
        agentId: 'y',
        cellId: 'charge',
        attempt: 2,
        as: 'succeeded',
        reason: 'seen',
        output: { count: 1 },
      },
    ]);
    expect([started.code, claimed.code, decided.code]).toEqual([0, 0, 3]);
    expect(started.out).toContain('i-1 started: refund v2');
    expect(JSON.parse(claimed.out)).toEqual({ claimId: 'c-1', revision: 4, status: 'approved' });
    expect(JSON.parse(decided.out)).toEqual({
      error: { code: 'conflict', message: 'it was decided before' },
    });
  });

  it('exits 5 when there is no replica', async () => {
    const { code, out } = await cli(['status', 'i-1', '--json', '--timeout', '500ms']);
    expect(code).toBe(5);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'unavailable' } });
  });

  it('streams rows as JSON lines until Ctrl-C, then exits 0', async () => {
    answer(names.rows, rowsUpTo(2));
    const watch = start(['watch', 'a', '--json']);
    await watch.until((out) => out.split('\n').length > 2);
    watch.child.kill('SIGINT');
    const { code, out, err } = await watch.ended;
    expect(err).toContain('watching a after 0');
    expect(err).toContain('to go on: leasehold watch a --after 2');
    expect(code).toBe(0);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Json),
    ).toEqual([1, 2].map((seq) => ({ instanceId: 'a', rows: [row(seq)], next: seq })));
  });

  it('exits without an error message when its reader closes the pipe', async () => {
    answer(names.rows, rowsUpTo(Number.POSITIVE_INFINITY));
    const watch = start(['watch', 'a', '--json']);
    await watch.until((out) => out !== '');
    watch.child.stdout.destroy();
    const publishing = setInterval(
      () => replica.publish(names.event('a'), { instanceId: 'a', rows: [], status: 'ready' }),
      10,
    );
    const { err } = await watch.ended;
    clearInterval(publishing);
    expect(err).not.toMatch(/EPIPE|Error/);
  });

  it('prints at Ctrl-C how to repeat the request', async () => {
    const arrived = new Promise<void>((resolve) =>
      replica.subscribe(names.all('advance'), () => resolve()),
    );
    await replica.flush();
    const advance = start(['advance', 'i-1', '--request-id', 'q-1']);
    await arrived;
    advance.child.kill('SIGINT');
    const { code, err } = await advance.ended;
    expect(code).toBe(5);
    expect(err).toContain('leasehold advance i-1 --request-id q-1');
  });

  it('does not hang on a server that accepts the connection and stays silent', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket.on('error', () => {})));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const { code } = await cli(['status', 'i-1', '--nats', `nats://127.0.0.1:${port}`]);
    expect(code).toBe(5);
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => silent.close(() => resolve()));
  });

  it('loads neither Postgres nor etcd for a verb that needs NATS only', async () => {
    answer(names.all('status'), () => ({
      error: { code: 'not_found', message: 'there is no instance i-1' },
    }));
    await replica.flush();
    const { result, urls } = await recordImports((trace) => cli(['status', 'i-1'], trace));
    expect(result.code).toBe(3);
    expect(urls.join('\n')).toContain('node_modules/nats/');
    expect(urls.join('\n')).not.toMatch(/node_modules\/(pg|etcd3|fastify)\//);
  });
});
