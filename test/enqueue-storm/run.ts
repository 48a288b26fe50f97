import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { Agent } from '../../src/agent/agent.ts';
import { Random } from '../../tools/chaos/random.ts';
import { TestCluster, type Servers } from '../harness/replicas.ts';
import {
  problemsOf,
  type Acknowledged,
  type RecordedReceipt,
  type StormEvidence,
} from './check.ts';
import { Killer } from './killer.ts';

/** How to run a storm. */
export interface StormOptions {
  requests: number;
  /** Of what is killed, and which request is sent when. */
  seed: number;
  servers: Servers;
  /**
   * Kills a replica this often from the first request until the last receipt. Undefined: instead,
   * no replica runs while requests are enqueued.
   */
  killEveryMs?: number | undefined;
  /** How many are killed at most. Default: no limit. */
  kills?: number | undefined;
  /** Called while no replica runs and everything is enqueued. */
  whileAllAreDown?: (() => Promise<void>) | undefined;
  /** How long the last requests may take to be settled. */
  settleMs?: number | undefined;
  onProgress?: ((text: string) => void) | undefined;
}

/** How a storm went. */
export interface StormResult {
  requests: number;
  kills: number;
  /** From the first request until all were acknowledged, and until all had their receipts. */
  enqueuedMs: number;
  receiptedMs: number;
  /** How many attempts were interrupted. */
  interrupted: number;
  /** How many instances were not at their end by then: two requests had worked on one cell. */
  finished: number;
  problems: string[];
}

/** Each instance gets a request for each of its cells. */
const CELLS = ['c0', 'c1', 'c2', 'c3'];
const AGENTS = 4;
const AT_ONCE = 64;
const NAMES = ['a', 'b', 'c'];
const HANDLERS = fileURLToPath(new URL('handlers.mjs', import.meta.url));
const RUNBOOK = {
  runbook: 'storm',
  version: 1,
  inputs: ['ledger', 'delayMs'],
  cells: CELLS.map((id) => ({
    id,
    exec: { handler: 'note' },
    onInterrupt: 'probe',
    probe: { handler: 'look' },
  })),
};

/**
 * Enqueues requests while replicas die, lets the agents go, and compares what the world witnessed
 * with what was recorded once everything is settled.
 */
export async function runEnqueueStorm(options: StormOptions): Promise<StormResult> {
  const { seed, servers, killEveryMs } = options;
  const random = new Random(seed);
  const folder = await mkdtemp(join(tmpdir(), 'leasehold-enqueue-storm-'));
  const ledger = join(folder, 'ledger');
  await writeFile(ledger, '');
  const cluster = await TestCluster.start({
    ttlS: 2,
    servers,
    env: { LEASEHOLD_HANDLERS: HANDLERS, LEASEHOLD_LOG_LEVEL: 'warn' },
  });
  const killer = new Killer(cluster, NAMES, random);
  try {
    await cluster.pushRunbook(RUNBOOK);
    await killer.startAll();
    const instances = Array.from(
      { length: Math.ceil(options.requests / CELLS.length) },
      (_, nth) => `storm-${seed}-${nth}`,
    );
    await startInstances(cluster, instances, { ledger, delayMs: 50 });
    const startedMs = performance.now();
    if (killEveryMs === undefined) await killer.killAll();
    else killer.begin(killEveryMs, options.kills);
    const acknowledged = await enqueueAll(cluster, instances, random);
    const enqueuedMs = performance.now() - startedMs;
    options.onProgress?.(`${acknowledged.length} requests are enqueued`);
    if (killEveryMs === undefined) {
      await options.whileAllAreDown?.();
      await killer.startAll();
    }
    await untilReceipted(cluster, acknowledged.length, options);
    const receiptedMs = performance.now() - startedMs;
    await killer.end();
    const last = await finish(cluster, acknowledged.length, options);
    acknowledged.push(...last);
    const evidence = await evidenceOf(cluster, acknowledged, ledger);
    return {
      requests: acknowledged.length - last.length,
      finished: last.length,
      kills: killer.kills,
      enqueuedMs,
      receiptedMs,
      interrupted: await interrupted(cluster),
      problems: [...problemsOf(evidence), ...killer.lost],
    };
  } finally {
    await killer.end();
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function startInstances(
  cluster: TestCluster,
  instances: readonly string[],
  inputs: object,
): Promise<void> {
  const waiting = instances[Symbol.iterator]();
  const work = async (): Promise<void> => {
    for (const instanceId of waiting) await cluster.start(instanceId, 'storm', inputs);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** Every agent enqueues its share in some order, and is gone once all of it is acknowledged. */
async function enqueueAll(
  cluster: TestCluster,
  instances: readonly string[],
  random: Random,
): Promise<Acknowledged[]> {
  const planned = instances.flatMap((instanceId) =>
    CELLS.map((_, nth) => ({ instanceId, requestId: `${instanceId}-q${nth}` })),
  );
  const shuffled = planned
    .map((one) => ({ one, place: random.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ one }) => one);
  const acknowledged: Acknowledged[] = [];
  const waiting = shuffled[Symbol.iterator]();
  const { namespace } = cluster;
  const servers = [...cluster.servers.natsUrls];
  await Promise.all(
    Array.from({ length: AGENTS }, async (_, nth) => {
      const agent = await Agent.connect({ agentId: `agent-${nth}`, namespace, servers });
      const work = async (): Promise<void> => {
        for (const one of waiting) {
          const { requestId } = one;
          await agent.enqueue(one.instanceId, { requestId, maxCells: 1, timeoutMs: 60_000 });
          acknowledged.push(one);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE / AGENTS }, work));
      await agent.close();
    }),
  );
  return acknowledged;
}

async function untilReceipted(
  cluster: TestCluster,
  requests: number,
  { settleMs = 120_000, onProgress }: StormOptions,
): Promise<void> {
  // Progress counts: what is lost is never receipted, and the checks say so.
  let [before, sinceMs] = [-1, performance.now()];
  for (;;) {
    const { rows } = await cluster.app.query<{ count: number }>(
      'select count(*)::int as count from leasehold.requests',
    );
    const count = rows[0]?.count ?? 0;
    if (count >= requests) return;
    if (count !== before) [before, sinceMs] = [count, performance.now()];
    else if (performance.now() - sinceMs > settleMs) return;
    onProgress?.(`${count} of ${requests} requests have their receipts`);
    await pause(500);
  }
}

/**
 * Has every instance run to its end: what a killed holder has begun under one request is settled
 * under the next one, and counts as the cell of both.
 */
async function finish(
  cluster: TestCluster,
  receipted: number,
  options: StormOptions,
): Promise<Acknowledged[]> {
  const { rows } = await cluster.app.query<{ instanceId: string }>(
    `select i.instance_id as "instanceId" from leasehold.instances i
       where (select count(distinct cell_id) from leasehold.executions e
                where e.instance_id = i.instance_id and e.kind in ('completed', 'decided')
                  and e.body ->> 'as' is distinct from 'rerun') < $1`,
    [CELLS.length],
  );
  const last = rows.map(({ instanceId }): Acknowledged => {
    return { instanceId, requestId: `${instanceId}-last`, last: true };
  });
  const { natsUrls } = cluster.servers;
  const { namespace } = cluster;
  const agent = await Agent.connect({ agentId: 'last', namespace, servers: [...natsUrls] });
  for (const { instanceId, requestId } of last) await agent.enqueue(instanceId, { requestId });
  await agent.close();
  await untilReceipted(cluster, receipted + last.length, options);
  return last;
}

async function evidenceOf(
  cluster: TestCluster,
  acknowledged: readonly Acknowledged[],
  ledger: string,
): Promise<StormEvidence> {
  const { rows: receipts } = await cluster.app.query<RecordedReceipt>(
    `select request_id as "requestId", instance_id as "instanceId", receipt ->> 'outcome' as outcome,
       array(select distinct s ->> 'cellId' from jsonb_array_elements(receipt -> 'steps') s
                where s ->> 'kind' = 'started') as begun,
       array(select distinct s ->> 'cellId' from jsonb_array_elements(receipt -> 'steps') s
                where s ->> 'kind' = 'decided') as settled
       from leasehold.requests`,
  );
  const { rows: instances } = await cluster.app.query<{ id: string; status: string }>(
    'select instance_id as id, status from leasehold_projection.instances',
  );
  const lines = (await readFile(ledger, 'utf8')).split('\n').filter((line) => line !== '');
  const streams = await streamsOf(cluster);
  return {
    acknowledged,
    receipts,
    ledger: lines.map((line) => line.split(' ')[0] ?? ''),
    cells: CELLS,
    statuses: new Map(instances.map(({ id, status }) => [id, status])),
    ...streams,
  };
}

/** What is left in the streams, once what was acknowledged last has arrived. */
async function streamsOf({ nats, namespace }: TestCluster) {
  const jsm = await nats.jetstreamManager();
  const messages = async (name: string): Promise<number> => {
    const { state } = await jsm.streams.info(`LEASEHOLD_${namespace}_${name}`);
    return state.messages;
  };
  const untilMs = performance.now() + 30_000;
  while ((await messages('ENQUEUE')) > 0 && performance.now() < untilMs) await pause(100);
  return { waiting: await messages('ENQUEUE'), poison: await messages('POISON') };
}

async function interrupted({ app }: TestCluster): Promise<number> {
  const { rows } = await app.query<{ count: number }>(
    `select count(*)::int as count from leasehold.executions where kind = 'interrupted'`,
  );
  return rows[0]?.count ?? 0;
}
