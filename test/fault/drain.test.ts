import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { watchMachine } from '../harness/busy.ts';
import { changedReceipts, Load } from '../harness/load.ts';
import type { ReplicaProcess } from '../harness/replica-process.ts';
import { eventually, TestCluster } from '../harness/replicas.ts';
import { EACH_ONCE, Witness } from '../harness/witness.ts';

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

  it('in a rolling restart under load, loses and repeats no request, releases its leases, and exits 0 within 10 s', async (context) => {
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
      // A platform may start the replacement before or after.
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
    // No replica crashed, so no cell was in doubt; and all three served requests afterwards.
    expect(load.answers.filter(({ outcome }) => outcome === 'in_doubt')).toEqual([]);
    const late = new Set(load.answers.slice(-200).map(({ replicaId }) => replicaId));
    expect(late).toEqual(new Set(['a', 'b', 'c'].map((name) => cluster?.replica(name).replicaId)));
    machine.skipIfBusy(context);
    expect(Math.max(...drainsMs)).toBeLessThan(10_000);
  });

  it('releases an instance as soon as its attempt has ended, although another attempt is still open', async (context) => {
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
      // One request, started by one replica and finished by the other: its receipt has the steps of
      // both.
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

  it('aborts the attempts that are still open after 8 s, answers their requests, and leaves no process behind', async (context) => {
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
    // SIGKILL was sent before the exit; the kernel may need a moment to deliver it.
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
    // The leaving replica answers both requests.
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

/** Starts instances, and advances each by one cell, until the replica holds one. */
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

/** Whether a process runs; one that has ended but was not reaped (a zombie) does not. */
async function runs(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat !== undefined && !/\) [ZX] /.test(stat);
}
