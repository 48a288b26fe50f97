import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { watchMachine } from '../harness/busy.ts';
import { changedReceipts, Load } from '../harness/load.ts';
import {
  eventually,
  TestCluster,
  type ReceiptReply,
  type ReplicaProcess,
} from '../harness/replicas.ts';
import { EACH_ONCE, Witness } from '../harness/witness.ts';

const HANDLERS = `export default {
  quick: () => ({ done: true }),
};`;

describe('a replica that gets SIGTERM', () => {
  let witness: Witness;
  let folder: string;
  let cluster: TestCluster | undefined;

  beforeEach(async () => {
    witness = await Witness.start(() => 15);
    folder = await mkdtemp(join(tmpdir(), 'leasehold-drain-'));
  });
  afterEach(async () => {
    await cluster?.stop();
    cluster = undefined;
    await witness.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('in a rolling restart under load, loses and doubles no request, hands its leases over, and exits 0 within 10 s', async (context) => {
    const machine = await watchMachine();
    const drainsMs: number[] = [];
    cluster = await TestCluster.start({ replicas: 3 });
    const load = await Load.start(cluster, witness, {
      name: 'rolling',
      agents: 24,
      timeoutMs: 5_000,
    });
    await load.served(200);
    for (const name of ['a', 'b', 'c']) {
      const old = cluster.replica(name);
      // A platform may start the next one before or after.
      if (name !== 'b') await cluster.startReplica(name);
      await load.served(50);
      const { exit, tookMs } = await drained(old);
      if (name === 'b') await cluster.startReplica(name);
      expect(exit).toEqual({ code: 0, signal: null });
      drainsMs.push(tookMs);
      expect(await leasesOf(cluster, old.replicaId)).toEqual([]);
      await load.served(100);
    }
    await load.finish();
    expect(load.wrong).toEqual([]);
    expect(witness.tally(load.due)).toEqual(EACH_ONCE);
    expect(await changedReceipts(cluster, load)).toEqual([]);
    // Nobody died, so nobody was in doubt; and all three were at work afterwards.
    expect(load.answers.filter(({ outcome }) => outcome === 'in_doubt')).toEqual([]);
    const late = new Set(load.answers.slice(-200).map(({ replicaId }) => replicaId));
    expect(late).toEqual(new Set(['a', 'b', 'c'].map((name) => cluster?.replica(name).replicaId)));
    machine.skipIfBusy(context);
    expect(Math.max(...drainsMs)).toBeLessThan(10_000);
  });

  it('is followed elsewhere within a moment, for instances that it held without an open attempt, also in a burst', async (context) => {
    const machine = await watchMachine();
    const handlers = join(folder, 'handlers.mjs');
    await writeFile(handlers, HANDLERS);
    const names = ['a', 'b', 'c', 'd', 'e'];
    cluster = await TestCluster.start({
      replicas: names.length,
      env: { LEASEHOLD_HANDLERS: handlers },
    });
    await cluster.pushRunbook({
      runbook: 'quick',
      version: 1,
      cells: Array.from({ length: 40 }, (_, nth) => ({
        id: `c${nth}`,
        exec: { handler: 'quick' },
      })),
    });
    const { nats } = cluster;
    const subjectOf = (id: string): string => cluster?.subject('advance', id) ?? '';
    const holders = new Map<string, string>();
    /**
     * One cell of each, asked for at once: how long each took since then, by the replica that
     * served it.
     */
    const burst = async (ids: readonly string[], name: string, beganMs = performance.now()) => {
      return Promise.all(
        ids.map(async (id) => {
          const body = JSON.stringify({
            requestId: `${id}-${name}`,
            agentId: 'tester',
            maxCells: 1,
          });
          let receipt: ReceiptReply;
          do {
            receipt = (
              await nats.request(subjectOf(id), body, { timeout: 30_000 })
            ).json<ReceiptReply>();
            // A holder that was too busy to answer pings may be replaced while it answers: its
            // successor may then still be at work on the request before this one. Both are
            // refusals, and the time goes on.
          } while (receipt.outcome === 'unavailable' || receipt.outcome === 'in_flight');
          const tookMs = performance.now() - beganMs;
          expect(receipt.outcome).toBe('advanced');
          const replicaId = receipt.holder?.replicaId ?? '';
          holders.set(id, replicaId);
          return { replicaId, tookMs };
        }),
      );
    };
    const ids = Array.from({ length: 500 }, (_, nth) => `quick${nth}`);
    await inParallel(ids, 30, async (id) => {
      await cluster?.start(id, 'quick');
      await burst([id], 'first');
    });
    const leftMs: number[] = [];
    const usualMs: number[] = [];
    for (const name of names.slice(0, -2)) {
      const leaving = cluster.replica(name);
      const held = ids.filter((id) => holders.get(id) === leaving.replicaId);
      const asked = held.slice(0, 40);
      // Held and asked for in the very same way, and nobody leaves: what this machine takes for it
      // at the moment.
      usualMs.push(...(await burst(asked, `before-${name}`)).map(({ tookMs }) => tookMs));
      const signalledMs = performance.now();
      leaving.terminate();
      // Asked before it has noticed, it would serve them all.
      await leaving.logged(/"msg":"stopping"/);
      const answers = await burst(asked, `after-${name}`, signalledMs);
      const elsewhere = answers.filter(({ replicaId }) => replicaId !== leaving.replicaId);
      leftMs.push(...elsewhere.map(({ tookMs }) => tookMs));
      expect(await leaving.exited).toEqual({ code: 0, signal: null });
      // The rest of what it held is served at once, too, since it was handed back.
      await inParallel(held, 10, async (id) => void (await burst([id], `settled-${name}`)));
    }
    process.stderr.write(
      `SIGTERM to the first receipt elsewhere: ${inWords(leftMs)}; without a SIGTERM: ${inWords(usualMs)}\n`,
    );
    machine.skipIfBusy(context);
    expect(leftMs.length).toBeGreaterThan(50);
    // The goal is 100 ms. On a machine that is busy with something else forty at once take longer
    // with and without a SIGTERM, so what is asserted allows for that.
    expect(quantile(leftMs, 0.99)).toBeLessThan(100 + 3 * quantile(usualMs, 0.99));
  });

  it('hands an instance on as soon as its attempt has ended, although another attempt is still open', async (context) => {
    const machine = await watchMachine();
    cluster = await TestCluster.start({ replicas: 2 });
    const first = cluster.replica('a');
    await cluster.pushRunbook({
      runbook: 'calls',
      version: 1,
      inputs: ['witness'],
      cells: ['zero', 'one', 'two'].map((id) => ({
        id,
        exec: { http: { method: 'POST', url: '${inputs.witness}' } },
      })),
    });
    const slow = await Witness.start();
    const slowId = await heldBy(cluster, first, 'slow', slow);
    const fastId = await heldBy(cluster, first, 'fast', witness);
    const answerSlow = slow.hold();
    try {
      const slowReceipt = cluster.advance(slowId, 'slow-r1', { maxCells: 1 });
      await slow.until((effects) => effects.find(({ key }) => key === `${slowId}/one/1`));
      const answerFast = witness.hold();
      const fastReceipt = cluster.advance(fastId, 'fast-r1');
      await witness.until((effects) => effects.find(({ key }) => key === `${fastId}/one/1`));
      first.terminate();
      await first.logged(/draining: released every instance without an attempt/);
      answerFast();
      const answeredMs = performance.now();
      const receipt = await fastReceipt;
      const tookMs = performance.now() - answeredMs;
      expect(receipt.outcome).toBe('completed');
      // One request, begun here and ended there: its receipt has the steps of both.
      expect(receipt.steps.map(({ cellId, kind }) => `${cellId} ${kind}`)).toEqual([
        'one started',
        'one completed',
        'two started',
        'two completed',
      ]);
      expect(receipt.holder?.replicaId).toBe(cluster.replica('b').replicaId);
      for (const cellId of ['zero', 'one', 'two']) {
        expect(witness.of(`${fastId}/${cellId}/1`)).toHaveLength(1);
      }
      answerSlow();
      expect((await slowReceipt).outcome).toBe('advanced');
      expect(await first.exited).toEqual({ code: 0, signal: null });
      machine.skipIfBusy(context);
      expect(tookMs).toBeLessThan(2_000);
    } finally {
      answerSlow();
      await slow.stop();
    }
  });

  it('aborts the attempts that are still open after 8 s, says so, and leaves no process of theirs behind', async (context) => {
    const machine = await watchMachine();
    cluster = await TestCluster.start({ replicas: 1 });
    const only = cluster.replica('a');
    const pids = join(folder, 'pids');
    await cluster.pushRunbook({
      runbook: 'endless',
      version: 1,
      cells: [
        {
          id: 'work',
          exec: {
            command: [
              'sh',
              '-c',
              `trap '' TERM; sleep 600 & echo "$$ $!" > ${pids}.draft; mv ${pids}.draft ${pids}; while true; do sleep 1; done`,
            ],
          },
        },
      ],
    });
    await cluster.pushRunbook({
      runbook: 'call',
      version: 1,
      inputs: ['witness'],
      cells: [{ id: 'call', exec: { http: { method: 'POST', url: '${inputs.witness}' } } }],
    });
    await cluster.start('endless', 'endless');
    await cluster.start('call', 'call', { witness: witness.url });
    const answer = witness.hold();
    const receipts = [cluster.advance('endless', 'endless-r1'), cluster.advance('call', 'call-r1')];
    await witness.until((effects) => effects[0]);
    const group = await eventually(async () => readFile(pids, 'utf8').catch(() => undefined));
    const beganMs = performance.now();
    const { exit, tookMs } = await drained(only);
    process.stderr.write(`SIGTERM with open attempts: exit after ${Math.round(tookMs)} ms\n`);
    expect(exit).toEqual({ code: 0, signal: null });
    expect(tookMs).toBeGreaterThan(7_900);
    answer();
    const pidsOfGroup = group.trim().split(' ').map(Number);
    expect(pidsOfGroup).toHaveLength(2);
    // SIGKILL was sent before the exit; the kernel may take a moment to carry it out.
    await eventually(async () =>
      (await Promise.all(pidsOfGroup.map(runs))).some(Boolean) ? undefined : true,
    );
    const goneMs = performance.now() - beganMs;
    for (const id of ['endless', 'call']) {
      const rows = await cluster.rows(id);
      expect(rows.map(({ kind, body }) => [kind, body['reason']])).toEqual([
        ['started', undefined],
        ['interrupted', 'aborted'],
      ]);
      expect(rows[1]?.fencing_token).toBe(rows[0]?.fencing_token);
    }
    // Whoever asked is told, by the one that leaves.
    expect(
      (await Promise.all(receipts)).map(({ outcome, inDoubt }) => [outcome, inDoubt?.reason]),
    ).toEqual([
      ['in_doubt', 'aborted'],
      ['in_doubt', 'aborted'],
    ]);
    machine.skipIfBusy(context);
    expect(tookMs).toBeLessThan(10_000);
    expect(goneMs).toBeLessThan(11_000);
  });
});

async function drained(replica: ReplicaProcess) {
  const beganMs = performance.now();
  replica.terminate();
  const exit = await replica.exited;
  return { exit, tookMs: performance.now() - beganMs };
}

/** Starts instances, and moves each by one cell, until one is held by the replica. */
async function heldBy(
  cluster: TestCluster,
  replica: ReplicaProcess,
  prefix: string,
  at: Witness,
): Promise<string> {
  for (let nth = 1; ; nth += 1) {
    const instanceId = `${prefix}${nth}`;
    await cluster.start(instanceId, 'calls', { witness: at.url });
    const receipt = await cluster.advance(instanceId, `${instanceId}-r0`, { maxCells: 1 });
    if (receipt.holder?.replicaId === replica.replicaId) return instanceId;
  }
}

async function leasesOf(cluster: TestCluster, replicaId: string): Promise<string[]> {
  const listed = await cluster.cli(['leases', '--json']);
  expect(listed.code).toBe(0);
  return listed.stdout.split('\n').filter((line) => line.includes(`"${replicaId}"`));
}

async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = [...items];
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
    }),
  );
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
}

function inWords(values: readonly number[]): string {
  const at = (share: number): string => `${Math.round(quantile(values, share))} ms`;
  return `median ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} (${values.length} requests)`;
}

/** Whether a process is there and more than a name that nobody has asked about since it ended. */
async function runs(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat !== undefined && !/\) [ZX] /.test(stat);
}
