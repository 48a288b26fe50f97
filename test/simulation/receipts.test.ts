import { describe, expect, test } from 'vitest';

import type { Log } from '../../advancer/log/log.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import { over } from '../harness/controls.ts';
import { EPOCH_MS, type SimProcess } from './world.ts';
import { AGAIN, gate, GONE, HELD, Scene } from './scene.ts';

describe('a receipt has every row of its request', () => {
  test('what closes an attempt after its request got its receipt elsewhere is written under no request', async () => {
    const ending = gate();
    const scene = new Scene([HELD, { ...HELD, id: 'next' }]);
    await scene.held();
    scene.hold = ending.opened;
    void scene.advance('q1');
    await scene.until('the effect', () => scene.ran.length === 1);
    // The same request id was used for another instance, which was done first.
    const receipt: Receipt = {
      requestId: 'q1',
      instanceId: 'other',
      outcome: 'completed',
      steps: [],
      nextCellId: null,
      holder: null,
    };
    scene.cluster.postgres.receipts.set('q1', {
      requestId: 'q1',
      instanceId: 'other',
      receipt,
      lastSeq: 0,
      fencingToken: 1,
    });
    ending.open();
    await scene.until('the outcome', () => scene.log.length === 2);
    await scene.pass(5_000);
    expect(scene.log).toEqual(['started charge 1', 'completed charge 1']);
    const rows = scene.cluster.postgres.rowsOf('i');
    expect(rows.map(({ requestId }) => requestId)).toEqual(['q1', null]);
    expect(scene.ran).toHaveLength(1);
  });
});

describe('a replica that takes up a request which another had begun', () => {
  test('does not refuse it as in flight, although another request was faster: it was admitted', async () => {
    const scene = new Scene([AGAIN, { ...AGAIN, id: 'next' }]);
    scene.history(['started', 'charge', 1, 'begun', { idempotencyKey: 'i/charge/1' }]);
    await scene.held().catch(() => undefined);
    const ending = gate();
    scene.hold = ending.opened;
    const faster = scene.advance('faster', { wait: true, maxCells: 1 });
    await scene.until('the effect', () => scene.ran.length === 1);
    const begun = scene.advance('begun');
    const fresh = await scene.result(scene.advance('fresh'));
    expect(fresh).toMatchObject({ outcome: 'in_flight', inFlight: { requestId: 'faster' } });
    ending.open();
    expect((await scene.result(faster)).outcome).toBe('advanced');
    const receipt = await scene.result(begun);
    expect(receipt.outcome).toBe('completed');
    expect(receipt.steps.map(({ seq }) => seq)).toEqual([1, 6, 7]);
    expect(scene.cluster.postgres.receipts.get('begun')?.receipt).toEqual(receipt);
  });

  test('does not refuse it as expired, because something was run; a request that had not begun is refused', async () => {
    const scene = new Scene([AGAIN, { ...AGAIN, id: 'next' }]);
    scene.history(['started', 'charge', 1, 'begun', { idempotencyKey: 'i/charge/1' }]);
    await scene.pass(100);
    const ending = gate();
    scene.hold = ending.opened;
    const faster = scene.advance('faster', { wait: true, maxCells: 1 });
    await scene.until('the effect', () => scene.ran.length === 1);
    const expiresAt = new Date(EPOCH_MS + scene.cluster.world.nowMs + 1_000).toISOString();
    const begun = scene.advance('begun', { wait: true, maxCells: 2, expiresAt });
    const fresh = scene.advance('fresh', { wait: true, expiresAt });
    await scene.pass(2_000);
    ending.open();
    expect((await scene.result(faster)).outcome).toBe('advanced');
    expect(await scene.result(begun)).toMatchObject({ outcome: 'completed', nextCellId: null });
    expect(await scene.result(fresh)).toMatchObject({ outcome: 'expired', steps: [] });
  });

  test('does not start its maxCells again, and does not refuse its first cell as out of order', async () => {
    const scene = new Scene([AGAIN, { ...AGAIN, id: 'next' }, { ...AGAIN, id: 'last' }]);
    scene.history(
      ['started', 'charge', 1, 'q1', { idempotencyKey: 'i/charge/1' }],
      ['completed', 'charge', 1, 'q1', { output: 1 }],
      ['started', 'next', 1, 'q1', { idempotencyKey: 'i/next/1' }],
    );
    await scene.pass(100);
    const receipt = await scene.result(scene.advance('q1', { cellId: 'charge', maxCells: 2 }));
    expect(receipt).toMatchObject({ outcome: 'advanced', nextCellId: 'last' });
    expect(scene.ran.map(({ cellId, attempt }) => [cellId, attempt])).toEqual([['next', 2]]);
    expect(receipt.steps.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test('begins no cell beyond its maxCells, although the one that it began was closed for no request', async () => {
    const scene = new Scene([AGAIN, { ...AGAIN, id: 'next' }]);
    scene.history(
      ['started', 'charge', 1, 'q1', { idempotencyKey: 'i/charge/1' }],
      ['completed', 'charge', 1, null, { output: 1 }],
    );
    await scene.pass(100);
    const receipt = await scene.result(scene.advance('q1', { maxCells: 1 }));
    expect(receipt).toMatchObject({ outcome: 'advanced', nextCellId: 'next' });
    expect(receipt.steps.map(({ seq }) => seq)).toEqual([1]);
    expect(scene.ran).toEqual([]);
  });
});

test('a request that others have answered is not worked on again, and blocks no other', async () => {
  const scene = new Scene([HELD, { id: 'pack', exec: { handler: 'any' } }]);
  scene.history(
    ['started', 'charge', 1, 'old', { idempotencyKey: 'i/charge/1' }],
    ['completed', 'charge', 1, 'old', { output: null }],
  );
  const recorded: Receipt = {
    requestId: 'old',
    instanceId: 'i',
    outcome: 'advanced',
    steps: [],
    nextCellId: 'pack',
    holder: { replicaId: GONE, fencingToken: 1 },
  };
  const { receipts } = scene.cluster.postgres;
  receipts.set('old', {
    requestId: 'old',
    instanceId: 'i',
    receipt: recorded,
    lastSeq: 2,
    fencingToken: 1,
  });
  await scene.pass(500);
  const [old, fresh] = [scene.advance('old'), scene.advance('new')];
  expect(await scene.result(old)).toEqual(recorded);
  expect((await scene.result(fresh)).outcome).toBe('completed');
  // Once the holder knows the log it looks up no receipts, and the log itself refuses the old
  // request.
  expect(await scene.result(scene.advance('old', { cellId: 'pack' }))).toEqual(recorded);
  expect(scene.ran.map(({ cellId }) => cellId)).toEqual(['pack']);
});

test('a request that is forwarded although it was answered blocks no other', async () => {
  // Slow enough that one request arrives while the other is handled.
  const slow = (log: Log, process: SimProcess): Log =>
    over(log, {
      append: async (entry) => {
        await process.clock().sleep(50);
        return log.append(entry);
      },
    });
  const scene = new Scene([HELD, { ...HELD, id: 'pack' }, { ...HELD, id: 'ship' }], { log: slow });
  const holder = await scene.held();
  expect((await scene.result(scene.advance('q1', { maxCells: 1 }))).outcome).toBe('advanced');
  // Answered by an earlier holder, which this one does not know of.
  const recorded: Receipt = {
    requestId: 'old',
    instanceId: 'i',
    outcome: 'parked',
    steps: [],
    nextCellId: 'pack',
    holder: { replicaId: GONE, fencingToken: 1 },
  };
  const { postgres } = scene.cluster;
  postgres.receipts.set('old', {
    requestId: 'old',
    instanceId: 'i',
    receipt: recorded,
    lastSeq: 2,
    fencingToken: 1,
  });
  const body = JSON.stringify({ requestId: 'old', agentId: 'agent' });
  const sentOn = scene.ask(holder, { ask: 'serve', verb: 'advance', instanceId: 'i', body });
  await scene.pass(20);
  const fresh = scene.advance('q2', { maxCells: 1 });
  expect(await scene.result(sentOn)).toEqual({ reply: recorded });
  expect((await scene.result(fresh)).outcome).toBe('advanced');
});
