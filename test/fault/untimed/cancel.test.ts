import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { eventually, TestCluster } from '../../harness/replicas.ts';
import type { ReplicaProcess } from '../../harness/replica-process.ts';
import type { ReceiptReply } from '../../harness/replies.ts';

/*
 * A holder that stands still while its instance is cancelled, or while a deadline and its claim
 * race, and goes on afterwards.
 */

let cluster: TestCluster;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'leasehold-cancel-'));
  cluster = await TestCluster.start();
  await cluster.pushRunbook({
    runbook: 'slow',
    version: 1,
    inputs: ['file'],
    cells: [
      {
        id: 'work',
        exec: {
          command: ['sh', '-c', 'echo > "$FILE"; until test -e "$FILE.go"; do sleep 0.05; done'],
          env: { FILE: '${inputs.file}' },
        },
        undo: { command: ['true'] },
      },
      { id: 'after', exec: { command: ['true'] } },
    ],
  });
  await cluster.pushRunbook({
    runbook: 'gated',
    version: 1,
    inputs: ['claim', 'within'],
    cells: [
      {
        id: 'gate',
        await: {
          claim: '${inputs.claim}',
          statuses: ['yes'],
          within: '${inputs.within}',
          otherwise: 'skip',
        },
      },
      { id: 'after', exec: { command: ['true'] } },
    ],
  });
});

afterAll(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Replica a, which holds what is advanced before b is started; both end with the test. */
async function first(failpoints = ''): Promise<ReplicaProcess> {
  const env = failpoints === '' ? {} : { LEASEHOLD_FAILPOINTS: failpoints };
  const a = await cluster.startReplica('a', env);
  ending(a);
  return a;
}

async function second(): Promise<ReplicaProcess> {
  const b = await cluster.startReplica('b');
  ending(b);
  return b;
}

function ending(replica: ReplicaProcess): void {
  let gone = false;
  void replica.exited.then(() => (gone = true));
  onTestFinished(async () => {
    // A failpoint may have ended it.
    if (!gone) replica.kill();
    await replica.exited;
  });
}

function cancel(instanceId: string, more: object = {}): Promise<Record<string, unknown>> {
  const body = { agentId: 'judge', reason: 'not wanted', ...more };
  return cluster.request(cluster.subject('cancel', instanceId), body);
}

const kinds = async (instanceId: string): Promise<string[]> =>
  (await cluster.rows(instanceId)).map(({ kind, cell_id: cell }) => `${kind} ${cell}`);

describe('a holder that stands still in an effect while its instance is cancelled', () => {
  it('writes nothing when it goes on, and what it knows is kept and shown', async () => {
    const a = await first();
    const file = join(folder, 'frozen');
    await cluster.start('frozen', 'slow', { file });
    const expiresAt = new Date(Date.now() + 600_000).toISOString();
    const advanced = cluster.advance('frozen', 'frozen-1', { expiresAt }, 600_000);
    await eventually(() => stat(file).catch(() => undefined));
    await second();
    a.freeze();
    expect(await cancel('frozen')).toMatchObject({ seq: 3, status: 'cancelled' });
    const before = await kinds('frozen');
    expect(before).toEqual(['started work', 'interrupted work', 'cancelled work']);
    await writeFile(`${file}.go`, '');
    a.wake();
    const left = await eventually(async () => {
      const { cancelled } = (await cluster.status('frozen')) as unknown as {
        cancelled: { left: { lateOutcome?: object }[] };
      };
      return cancelled.left[0]?.lateOutcome === undefined ? undefined : cancelled.left;
    });
    expect(left).toEqual([
      {
        cellId: 'work',
        attempt: 1,
        happened: true,
        lateOutcome: { kind: 'completed', replicaId: a.replicaId },
      },
    ]);
    expect(await kinds('frozen')).toEqual(before);
    // Only the frozen holder had the request; it hands it on.
    expect(await advanced).toMatchObject({ outcome: 'cancelled' });
  });
});

describe.each(['before_cancel', 'after_cancel'])('a holder that dies %s', (point) => {
  it('leaves the cancel to another replica, which applies it once and answers', async () => {
    const a = await first(`${point}=kill`);
    const instanceId = point.replace('_', '-');
    const file = join(folder, instanceId);
    await writeFile(`${file}.go`, '');
    await cluster.start(instanceId, 'slow', { file });
    expect(await cluster.advance(instanceId, `${instanceId}-1`, { maxCells: 1 })).toMatchObject({
      outcome: 'advanced',
    });
    await second();
    expect(await cancel(instanceId, { undo: true })).toMatchObject({ status: 'ready' });
    await a.exited;
    expect(await cluster.advance(instanceId, `${instanceId}-2`)).toMatchObject({
      outcome: 'cancelled',
    });
    expect(await kinds(instanceId)).toEqual([
      'started work',
      'completed work',
      'unwinding work',
      'started undo-work',
      'completed undo-work',
      'cancelled undo-work',
    ]);
  });
});

describe('a deadline and its claim, of which a holder that stands still saw one', () => {
  it.each([
    ['only the deadline', 'late', '1ms', undefined],
    ['the claim', 'early', '1h', 'yes'],
  ])('%s: every replica comes to the same', async (_what, instanceId, within, before) => {
    const a = await first('after_wait=freeze@cell:gate,nth:1');
    // Any replica may be asked, also one that stands still: then it is asked again.
    const claimTo = (status: string): Promise<unknown> =>
      eventually(() =>
        cluster
          .request(cluster.subject('claim', instanceId), { status, agentId: 'boss' }, 2_000)
          .catch(() => undefined),
      );
    await cluster.start(instanceId, 'gated', { claim: instanceId, within });
    if (before !== undefined) await claimTo(before);
    const expiresAt = new Date(Date.now() + 600_000).toISOString();
    const advance = (): Promise<ReceiptReply> =>
      cluster.advance(instanceId, `${instanceId}-1`, { expiresAt }, 600_000);
    void advance().catch(() => undefined);
    await a.failpointReached('after_wait');
    await second();
    // It comes after what the frozen holder saw; the one that leads now sees it.
    await claimTo(before === undefined ? 'yes' : 'no');
    const receipt = await advance();
    const found = await kinds(instanceId);
    expect(receipt.outcome).toBe(before === undefined ? 'completed' : 'parked');
    expect(found).toEqual(
      before === undefined ? ['satisfied gate', 'started after', 'completed after'] : [],
    );
    a.wake();
    // Its own row is refused, and it answers from the log like everybody.
    await a.logged(/refused a write/);
    expect(await advance()).toEqual(receipt);
    expect(await kinds(instanceId)).toEqual(found);
  });
});
