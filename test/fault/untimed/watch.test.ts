import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { Agent } from '../../../src/agent/agent.ts';
import type { RowPosition } from '../../../src/request/rows.ts';
import type { Stack } from '../../../tools/stack/servers.ts';
import { eventually, TestCluster } from '../../harness/replicas.ts';
import { startPrivateStack } from '../../harness/servers.ts';
import { Witness } from '../../harness/witness.ts';

/** The full size is 10000. */
const ROWS = Number(process.env['LEASEHOLD_TEST_WATCH_ROWS'] ?? 1_000);
/** Four effects with an intent and an outcome each, and two checks; more after an interruption. */
const ROWS_PER_INSTANCE = 10;
const INSTANCES = Math.ceil(ROWS / ROWS_PER_INSTANCE);
const AGENTS = 8;

let stack: Stack;
let cluster: TestCluster;
let witness: Witness;

beforeAll(async () => {
  stack = await startPrivateStack();
  cluster = await TestCluster.start({ replicas: 3, ttlS: 2, servers: stack });
  witness = await Witness.start();
  const effect = (id: string) => ({
    id,
    exec: { http: { method: 'POST', url: witness.url, body: { id } } },
    onInterrupt: 'rerun',
  });
  const check = (id: string) => ({ id, assert: [{ input: '/n', exists: true }] });
  await cluster.pushRunbook({
    runbook: 'mixed',
    version: 1,
    inputs: ['n'],
    cells: [...['a', 'b'].map(effect), check('c'), ...['d', 'e'].map(effect), check('f')],
  });
});
afterAll(async () => {
  await cluster?.stop();
  await stack?.stop();
  await witness?.stop();
});

function connect(name: string): Promise<Agent> {
  return Agent.connect({
    agentId: name,
    servers: [...stack.natsUrls],
    namespace: cluster.namespace,
    // NATS may be away at that moment.
    waitOnFirstConnect: true,
  });
}

/** Watches everything in several sittings: each goes on from the cursor of the one before. */
class Watcher {
  readonly seen: string[] = [];
  readonly #rowsPerSitting: number;
  #cursor: RowPosition | undefined = 0;
  readonly #stop = new AbortController();
  #over: Promise<void> | undefined;

  constructor(rowsPerSitting: number) {
    this.#rowsPerSitting = rowsPerSitting;
  }

  start(): void {
    this.#over = this.#watch();
  }

  async #watch(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const agent = await connect('watcher');
      const rows = agent.watch(undefined, { after: this.#cursor, signal: this.#stop.signal });
      let left = this.#rowsPerSitting;
      for await (const row of rows) {
        this.seen.push(`${row.instance_id}/${row.seq}`);
        left -= 1;
        if (left === 0) break;
      }
      this.#cursor = rows.cursor;
      await agent.close();
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#over;
  }
}

/** Advances its share of the instances to the end, however often it gets no receipt. */
async function drive(nth: number): Promise<void> {
  const agent = await connect(`driver-${nth}`);
  try {
    for (let instance = nth; instance < INSTANCES; instance += AGENTS) {
      const instanceId = `w-${instance}`;
      await until(() => agent.start(instanceId, { runbookId: 'mixed', inputs: { n: 1 } }));
      for (const maxCells of [2, undefined]) {
        const requestId = randomUUID();
        const due = maxCells === undefined ? 'completed' : 'advanced';
        await until(async () => {
          const { outcome } = await agent.advance(instanceId, { requestId, maxCells });
          return outcome === due || undefined;
        });
      }
    }
  } finally {
    await agent.close();
  }
}

async function until<T>(ask: () => Promise<T>): Promise<void> {
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined) return;
    await sleep(50);
  }
}

async function rowsInLog(): Promise<string[]> {
  const { rows } = await cluster.app.query<{ key: string }>(
    `select instance_id || '/' || seq as key from leasehold.executions`,
  );
  return rows.map(({ key }) => key);
}

it(`delivers each of ${ROWS} rows once and in order while NATS and a replica are killed under load`, async () => {
  const watchers = [new Watcher(Number.POSITIVE_INFINITY), new Watcher(Math.ceil(ROWS / 7))];
  for (const watcher of watchers) watcher.start();
  const one = await connect('watcher-of-one');
  const ofOne: number[] = [];
  const stop = new AbortController();
  const watchingOne = (async () => {
    for await (const { seq } of one.watch('w-0', { after: 0, signal: stop.signal }))
      ofOne.push(seq);
  })();

  const driving = Promise.all(Array.from({ length: AGENTS }, (_, nth) => drive(nth)));
  const reached = (share: number): Promise<unknown> =>
    eventually(async () => (await rowsInLog()).length >= ROWS * share || undefined);
  await reached(0.2);
  stack.server('nats').kill();
  await stack.server('nats').restart();
  await reached(0.4);
  cluster.replicas[0]!.kill();
  await cluster.startReplica('d');
  await reached(0.6);
  await stack.server('nats').restart();
  await driving;

  const logged = await rowsInLog();
  expect(logged.length).toBeGreaterThanOrEqual(INSTANCES * ROWS_PER_INSTANCE);
  const lengthOfOne = logged.filter((key) => key.startsWith('w-0/')).length;
  const all = [ofOne, ...watchers.map(({ seen }) => seen)];
  const due = [lengthOfOne, logged.length, logged.length];
  await eventually(() =>
    Promise.resolve(all.every((seen, nth) => seen.length >= due[nth]!) || undefined),
  );
  stop.abort();
  await Promise.all([watchingOne, ...watchers.map((watcher) => watcher.stop())]);
  await one.close();

  expect(ofOne).toEqual(Array.from({ length: lengthOfOne }, (_, nth) => nth + 1));
  for (const { seen } of watchers) {
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.toSorted()).toEqual(logged.toSorted());
    const newest = new Map<string, number>();
    for (const key of seen) {
      const [instanceId = '', seq] = key.split('/');
      expect(Number(seq), `at ${key}`).toBe((newest.get(instanceId) ?? 0) + 1);
      newest.set(instanceId, Number(seq));
    }
  }
});
