import { afterAll, describe, expect, inject, it } from 'vitest';
import type { z } from 'zod';

import { startStack, type Stack } from '../../tools/stack/servers.ts';
import { untilAvailable, watchMachine } from '../harness/busy.ts';
import { TestCluster, eventually } from '../harness/replicas.ts';
import { Receiver } from './receiver.ts';
import { POST, post, push } from './runbooks.ts';
import { Receipt, StatusReply, read } from './shapes.ts';

/*
 * The main job, in short, on the versions of the servers that the product is to run on. A version
 * that cannot be had on this machine is reported as skipped, and the reason is printed.
 */

type ReceiptRead = z.infer<typeof Receipt>;

interface Combination {
  etcd: string;
  /** undefined: the newest that is to be had. */
  nats: string | undefined;
  /** The one that all tests use, or the npm package's, whatever else is installed. */
  postgres: 'shared' | 'npm';
}

const COMBINATIONS: Combination[] = [
  { etcd: '3.4', nats: '2.9', postgres: 'shared' },
  { etcd: '3.5', nats: undefined, postgres: 'shared' },
  { etcd: '3.5', nats: undefined, postgres: 'npm' },
];

const rerun = {
  runbook: 'rerun',
  version: 1,
  inputs: ['url'],
  cells: [{ id: 'call', exec: POST, onInterrupt: 'rerun' }],
};

/** The stack, or the reason why there is none. */
async function stackOf({ etcd, nats, postgres }: Combination): Promise<Stack | string> {
  const series = { etcd, ...(nats !== undefined && { nats }) };
  try {
    return postgres === 'npm'
      ? await startStack({
          series,
          durable: false,
          env: { ...process.env, LEASEHOLD_STACK_ROUTES: 'fetch' },
        })
      : await startStack({
          series,
          durable: false,
          given: { postgresUrl: inject('superuserUrl') },
        });
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'ServerNotFoundError') return cause.message;
    throw cause;
  }
}

describe.each(COMBINATIONS)(
  'on etcd $etcd, nats-server $nats (undefined: the newest) and Postgres ($postgres)',
  (wanted) => {
    let stack: Stack | undefined;
    let cluster: TestCluster | undefined;
    let receiver: Receiver | undefined;

    afterAll(async () => {
      await cluster?.stop();
      await Promise.all([receiver?.close(), stack?.stop()]);
    });

    it('races, is killed inside an effect, drains, and survives a restart of NATS; each effect is counted once', async (context) => {
      const machine = await watchMachine();
      const found = await stackOf(wanted);
      if (typeof found === 'string') {
        process.stderr.write(`SKIPPED: ${JSON.stringify(wanted)}: ${found}\n`);
        context.skip(found);
        return;
      }
      stack = found;
      const versions = found.servers.map(({ name, version }) => `${name} ${version}`);
      process.stderr.write(`running on ${versions.join(', ')}\n`);
      expect(found.server('etcd').version.startsWith(`${wanted.etcd}.`)).toBe(true);
      const natsVersion = found.server('nats').version;
      expect(`${natsVersion}.`.startsWith(`${wanted.nats ?? natsVersion}.`)).toBe(true);
      const database = await found.createDatabase(`v_${Math.random().toString(36).slice(2)}`);
      receiver = await Receiver.listen();
      cluster = await TestCluster.start({
        replicas: 3,
        ttlS: 3,
        servers: { etcdUrls: found.etcdUrls, natsUrls: found.natsUrls, superuserUrl: database },
      });
      await push(cluster, post, rerun);
      const refused = await race(cluster, receiver);
      await killedInside(cluster, receiver);
      await drained(cluster, receiver);
      await natsRestarted(cluster, receiver, found);
      machine.expectNone(refused, context);
    });
  },
);

/**
 * Four agents advance each instance at once. A request that is answered with `unavailable` is sent
 * again, as the protocol says; such answers are returned.
 */
async function race(cluster: TestCluster, receiver: Receiver): Promise<ReceiptRead[]> {
  const refused: ReceiptRead[] = [];
  const advance = (instanceId: string, requestId: string): Promise<ReceiptRead> =>
    untilAvailable(
      async () => read(Receipt, await cluster.advance<unknown>(instanceId, requestId)),
      refused,
    );
  await Promise.all(
    Array.from({ length: 10 }, async (_, index) => {
      const instanceId = `race-${index}`;
      await cluster.start(instanceId, 'post', { url: `${receiver.url}/${instanceId}` });
      const receipts = await Promise.all(
        Array.from({ length: 4 }, (_unused, n) => advance(instanceId, `${instanceId}-${n}`)),
      );
      const ran = receipts.filter(({ steps }) => steps.length > 0);
      expect(
        ran.map(({ outcome }) => outcome),
        `the run of ${instanceId}`,
      ).toEqual(['completed']);
      for (const { outcome } of receipts) expect(['completed', 'in_flight']).toContain(outcome);
      expect(receiver.count(`/${instanceId}`)).toBe(1);
    }),
  );
  return refused;
}

async function killedInside(cluster: TestCluster, receiver: Receiver): Promise<void> {
  const paths = ['/hold/doubt', '/hold/rerun'] as const;
  await cluster.start('doubt', 'post', { url: `${receiver.url}${paths[0]}` });
  await cluster.start('rerun', 'rerun', { url: `${receiver.url}${paths[1]}` });
  const before = await Promise.all(
    (['doubt', 'rerun'] as const).map(async (instanceId, index) => {
      // Sent once: another replica answers when the holder is gone.
      const receipt = cluster.advance<unknown>(instanceId, `${instanceId}-1`, {}, 40_000);
      await receiver.arrived(paths[index] ?? '');
      const { holder } = read(StatusReply, await cluster.status(instanceId));
      return { receipt, holder };
    }),
  );
  const holders = new Set(before.map(({ holder }) => holder?.replicaId));
  for (const holder of holders) cluster.byId(holder).kill();
  await Promise.all([...holders].map((holder) => cluster.byId(holder).exited));
  const [again] = await Promise.all([...holders].map(() => cluster.startReplica('again')));
  expect(again).toBeDefined();
  await receiver.arrived(paths[1], 2);
  for (const path of paths) receiver.release(path);
  const [doubt, rerunReceipt] = (await Promise.all(before.map(({ receipt }) => receipt))).map(
    (reply) => read(Receipt, reply),
  );
  expect(doubt).toMatchObject({ outcome: 'in_doubt', inDoubt: { cellId: 'call', attempt: 1 } });
  expect(rerunReceipt).toMatchObject({ outcome: 'completed' });
  expect(rerunReceipt?.steps.map(({ kind, attempt }) => `${kind} ${attempt}`)).toEqual(
    expect.arrayContaining(['started 1', 'started 2', 'completed 2']),
  );
  for (const [index, receipt] of [doubt, rerunReceipt].entries()) {
    expect(receipt?.holder?.fencingToken).toBeGreaterThan(
      before[index]?.holder?.fencingToken ?? Infinity,
    );
  }
  expect(receiver.count(paths[0])).toBe(1);
  const keys = receiver.arrivals
    .filter(({ path }) => path === paths[1])
    .map(({ headers }) => headers['idempotency-key']);
  expect(keys).toEqual(['rerun/call/1', 'rerun/call/1']);
}

async function drained(cluster: TestCluster, receiver: Receiver): Promise<void> {
  await cluster.start('drained', 'rerun', { url: `${receiver.url}/drained` });
  const { holder } = await cluster.advance('drained', 'drained-1');
  const leaving = cluster.byId(holder?.replicaId);
  leaving.terminate();
  const next = await cluster.advance('drained', 'drained-2');
  expect(next.outcome).toBe('completed');
  expect(await leaving.exited).toEqual({ code: 0, signal: null });
  const after = await cluster.advance('drained', 'drained-3');
  expect(after.holder?.replicaId).not.toBe(leaving.replicaId);
  expect(receiver.count('/drained')).toBe(1);
}

async function natsRestarted(
  cluster: TestCluster,
  receiver: Receiver,
  stack: Stack,
): Promise<void> {
  const path = '/hold/nats';
  await cluster.start('nats', 'post', { url: `${receiver.url}${path}` });
  // Its answer is lost with the server.
  void cluster.advance('nats', 'nats-1').catch(() => undefined);
  await receiver.arrived(path);
  await stack.server('nats').stop();
  receiver.release(path);
  // The attempt is finished and recorded, although no answer can be sent.
  await eventually(async () => {
    const { rows } = await cluster.app.query(
      `select from leasehold.requests where request_id = 'nats-1'`,
    );
    return rows.length === 1 || undefined;
  });
  await stack.server('nats').restart();
  const again = await eventually(() =>
    cluster.advance<unknown>('nats', 'nats-1', {}, 2_000).catch(() => undefined),
  );
  expect(read(Receipt, again)).toMatchObject({ outcome: 'completed', requestId: 'nats-1' });
  await cluster.start('back', 'post', { url: `${receiver.url}/back` });
  expect(await cluster.advance('back', 'back-1')).toMatchObject({ outcome: 'completed' });
  expect([receiver.count(path), receiver.count('/back')]).toEqual([1, 1]);
}
