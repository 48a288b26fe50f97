import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createInbox, type NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster, eventually } from '../harness/replicas.ts';
import type { ReplicaProcess } from '../harness/replica-process.ts';
import type { ReceiptReply } from '../harness/replies.ts';
import { keysUnder } from './etcd-gateway.ts';
import { push } from './runbooks.ts';

/**
 * One hostile agent against one replica, in a small size; `LEASEHOLD_TEST_FLOOD=full` sends as much
 * as once ran a replica out of memory, and takes some minutes.
 */
const FULL = process.env['LEASEHOLD_TEST_FLOOD'] === 'full';
const WAITING = FULL ? 120_000 : 2_000;
const NONEXISTENT = FULL ? 60_000 : 1_000;
const QUESTIONS = FULL ? 300_000 : 2_000;
const PER_INSTANCE = 100;
/** What a replica needs at rest, and what a small flood may add. */
const MAX_HEAP_BYTES = 400 * 1024 * 1024;

let cluster: TestCluster;
let replica: ReplicaProcess;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'leasehold-limits-'));
  cluster = await TestCluster.start();
  const wait = {
    command: ['sh', '-c', 'until [ -e "$0" ]; do sleep 0.05; done', '${inputs.file}'],
  };
  const cells = [{ id: 'wait', exec: wait }];
  await Promise.all([
    push(cluster, { runbook: 'waits', version: 1, inputs: ['file'], cells }),
    push(cluster, {
      runbook: 'quick',
      version: 1,
      inputs: [],
      cells: [{ id: 'a', exec: { command: ['true'] } }],
    }),
    push(cluster, {
      runbook: 'large',
      version: 1,
      inputs: ['x'],
      cells: [{ id: 'a', prose: 'x' }],
    }),
  ]);
  replica = await cluster.startReplica('a', {
    LEASEHOLD_MAX_REQUESTS_PER_INSTANCE: String(PER_INSTANCE),
  });
}, 120_000);

afterAll(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A metric of the replica; the sum over its labels. */
async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${replica.httpUrl}/metrics`)).text();
  const values = text.split('\n').filter((line) => new RegExp(`^leasehold_${name}[ {]`).test(line));
  return values.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** The instances with such names that have a lease. */
async function ghostLeases(): Promise<string[]> {
  const prefix = `/leasehold/${cluster.namespace}/leases/`;
  const keys = await keysUnder(cluster.servers.etcdUrls[0], prefix);
  return keys.map(({ key }) => key.slice(prefix.length)).filter((id) => id.startsWith('ghost-'));
}

/** Sends messages, a thousand at a time, and collects the answers. */
async function flood<Reply>(
  nats: NatsConnection,
  count: number,
  message: (nth: number) => [subject: string, body: object],
): Promise<Reply[]> {
  const inbox = createInbox();
  const replies: Reply[] = [];
  nats.subscribe(inbox, { callback: (_error, reply) => void replies.push(reply.json<Reply>()) });
  for (let nth = 0; nth < count; nth += 1) {
    const [subject, body] = message(nth);
    nats.publish(subject, JSON.stringify(body), { reply: inbox });
    if (nth % 1_000 === 999) await nats.flush();
  }
  await nats.flush();
  return replies;
}

describe('a flood of requests that wait on one instance', () => {
  it('is refused beyond the limit, and neither fills the memory nor keeps its honest agent out', async () => {
    const file = join(folder, 'go');
    await cluster.start('busy', 'waits', { file });
    const first = cluster.advance('busy', 'first');
    await eventually(async () => ((await metric('attempts_in_hand')) > 0 ? true : undefined));
    const replies = await flood<ReceiptReply>(cluster.nats, WAITING, (nth) => [
      cluster.subject('advance', 'busy'),
      { requestId: `flood-${nth}`, agentId: 'flood', wait: true },
    ]);
    const honest = cluster.advance('busy', 'honest', { wait: true });
    // The same request once more: it joins the one that runs.
    const again = cluster.advance('busy', 'first');
    await eventually(async () => (replies.length >= WAITING - PER_INSTANCE / 2 ? true : undefined));
    const remembered = await metric('remembered_requests');
    expect(remembered).toBeLessThanOrEqual(PER_INSTANCE);
    expect(await metric('over_limit_total')).toBe(WAITING - PER_INSTANCE / 2);
    expect(await metric('nodejs_heap_size_used_bytes')).toBeLessThan(MAX_HEAP_BYTES);
    const refused = [...replies];
    expect(new Set(refused.map(({ outcome }) => outcome))).toEqual(new Set(['unavailable']));
    expect(refused[0]).toMatchObject({ steps: [], error: { code: 'unavailable' } });

    await writeFile(file, '');
    expect(await honest).toMatchObject({ requestId: 'honest', outcome: 'completed' });
    expect(await first).toMatchObject({ requestId: 'first', outcome: 'completed' });
    expect(await again).toEqual(await first);
    const ids = refused.map(({ requestId }) => requestId);
    const { rows } = await cluster.app.query(
      `select request_id from leasehold.requests where request_id = any($1)
         union all select request_id from leasehold.executions where request_id = any($1)`,
      [ids],
    );
    expect(rows).toEqual([]);
    // What was refused may be asked again under the same id.
    expect(await cluster.advance('busy', String(ids[0]))).toMatchObject({ outcome: 'completed' });
  }, 600_000);
});

describe('advances of instances that do not exist', () => {
  it('leave no lease keys, and an instance that is started afterwards is served at once', async () => {
    const replies = await flood<ReceiptReply>(cluster.nats, NONEXISTENT, (nth) => [
      cluster.subject('advance', `ghost-${nth}`),
      { requestId: `ghost-${nth}`, agentId: 'flood' },
    ]);
    await eventually(async () => (replies.length === NONEXISTENT ? true : undefined));
    // A busy Postgres may not answer some of them.
    const outcomes = new Set(replies.map(({ outcome }) => outcome));
    outcomes.delete('unavailable');
    expect(outcomes).toEqual(new Set(['not_found']));
    expect(await ghostLeases()).toEqual([]);
    expect(await metric('held_leases')).toBeLessThan(10);
    expect(await metric('remembered_requests')).toBe(0);

    await cluster.start('ghost-0', 'quick');
    const served = await cluster.advance('ghost-0', 'ghost-0');
    expect(served).toMatchObject({ outcome: 'completed' });
    expect(await ghostLeases()).toEqual(['ghost-0']);
  }, 600_000);
});

describe('questions about attempts that do not exist', () => {
  it('do not keep an instance that is started afterwards from running, and leave nothing', async () => {
    for (let nth = 0; nth < QUESTIONS; nth += 1) {
      const attempt = { instanceId: `later-${nth % 100}`, cellId: 'a', attempt: 1 + nth / 100 };
      const question = { ask: 'runs', ...attempt, fencingToken: Number.MAX_SAFE_INTEGER };
      const body = JSON.stringify({ ...question, attempt: Math.floor(attempt.attempt) });
      cluster.nats.publish(cluster.subject('replica', replica.replicaId), body, {
        reply: 'nobody',
      });
      if (nth % 1_000 === 999) await cluster.nats.flush();
    }
    await cluster.start('later-7', 'quick');
    const receipt = await cluster.advance('later-7', 'later-7', {}, 20_000);
    expect(receipt).toMatchObject({ outcome: 'completed' });
  }, 120_000);
});

describe('large start bodies of one agent', () => {
  it('delay the small request of another by a few of them, and not by all', async () => {
    const x = Array.from({ length: 6_000 }, (_, nth) => ({ nth, text: `value ${nth} `.repeat(3) }));
    const count = 30;
    const replies = await flood<object>(cluster.nats, count, (nth) => [
      cluster.subject('start'),
      { instanceId: `large-${nth}`, runbookId: 'large', inputs: { x }, agentId: 'flood' },
    ]);
    await cluster.start('small', 'quick');
    const before = replies.length;
    await eventually(async () => (replies.length === count ? true : undefined));
    expect(before).toBeLessThan(count / 2);
    expect(replies.every((reply) => 'created' in reply)).toBe(true);
    expect(await metric('message_bytes')).toBe(0);
  }, 120_000);
});

it('an advance may expire at most one day ahead', async () => {
  const expiresAt = new Date(Date.now() + 25 * 3_600_000).toISOString();
  const refused = await cluster.advance('small', 'far', { expiresAt });
  expect(refused).toMatchObject({ outcome: 'invalid', error: { field: 'expiresAt' } });
  const inADay = new Date(Date.now() + 24 * 3_600_000).toISOString();
  const served = await cluster.advance('small', 'near', { expiresAt: inADay });
  expect(served).toMatchObject({ outcome: 'completed' });
});
