import { describe, expect, it } from 'vitest';

import { settled } from '../../coordinator/hand-clock.ts';
import type { Line } from '../../src/execution/fixture.ts';
import { advance, cancel, COMPLETED_A, DONE, exec, NO, receipt, world } from './cancel-fixture.ts';

describe('undoing', () => {
  const cells = [
    exec('a', { undo: { handler: 'x' } }),
    exec('b'),
    exec('c', { undo: { handler: 'y' } }),
    exec('d'),
  ];
  const three: Line[] = ['a', 'b', 'c'].flatMap((id): Line[] => [
    ['started', id, 1, { idempotencyKey: `i/${id}/1` }],
    ['completed', id, 1],
  ]);

  it('is what advances do once a cancel asked for it, in reverse order; then it is cancelled', async () => {
    const here = world(cells, three);
    expect(await cancel(here, { undo: true })).toEqual({
      kind: 'cancelled',
      seq: 7,
      status: 'ready',
    });
    here.effects.outcomes.push(DONE, DONE);
    const unwinding = { by: 'judge', reason: 'not wanted' };
    expect(await advance(here, { maxCells: 1 })).toEqual(
      receipt('advanced', { nextCellId: 'undo-a', unwinding }),
    );
    expect(await advance(here, { requestId: 'q-2' })).toEqual(receipt('cancelled', { unwinding }));
    expect(here.kinds().slice(6)).toEqual([
      'unwinding c 1',
      'started undo-c 1',
      'completed undo-c 1',
      'started undo-a 1',
      'completed undo-a 1',
      'cancelled undo-a 1',
    ]);
    expect(here.scripted.rows.at(-1)!.body).toEqual({ ...unwinding, left: [] });
  });

  it('of nothing ends at once', async () => {
    const here = world([exec('a'), exec('b')], COMPLETED_A);
    const undone = await cancel(here, { undo: true });
    expect(undone).toEqual({ kind: 'cancelled', seq: 4, status: 'cancelled' });
    expect(here.kinds().slice(2)).toEqual(['unwinding a 1', 'cancelled a 1']);
  });

  it('is gone on with by the request whose attempt a cancel has ended', async () => {
    const here = world(cells, three.slice(0, 2));
    here.effects.outcomes.push(DONE);
    const handled = advance(here);
    await settled();
    // b has completed; c runs, and its own process knows that it did not happen.
    expect(here.effects.started).toEqual(['b 1', 'c 1']);
    here.effects.outcomes.push(DONE);
    here.effects.end({ kind: 'wrong_replica', why: 'none', detail: {} });
    expect(await cancel(here, { undo: true })).toMatchObject({
      kind: 'cancelled',
      status: 'ready',
    });
    expect(await handled).toEqual(receipt('cancelled'));
    expect(here.effects.started).toEqual(['b 1', 'c 1', 'undo-a 1']);
  });

  it('that fails halts, and a person or a cancel leads on', async () => {
    const unwinding: Line = ['unwinding', 'c', 1, { by: 'judge', reason: 'r' }];
    const here = world(cells, [...three, unwinding]);
    here.effects.outcomes.push(NO);
    expect(await advance(here)).toEqual(receipt('halted', { nextCellId: 'undo-c' }));
    const decided = await here.held.decide({
      agentId: 'judge',
      cellId: 'undo-c',
      attempt: 1,
      as: 'rerun',
      reason: 'repaired',
    });
    expect(decided).toMatchObject({ kind: 'decided' });
    here.effects.outcomes.push(NO);
    expect(await advance(here, { requestId: 'q-2' })).toEqual(receipt('halted'));
    expect(await cancel(here)).toMatchObject({ kind: 'cancelled', status: 'cancelled' });
    expect(here.effects.started).toEqual(['undo-c 1', 'undo-c 2']);
  });

  it('follows a halt by itself if the runbook wants it', async () => {
    const here = world(cells, three, {}, { onHalt: 'undo' });
    here.effects.outcomes.push(NO, DONE, DONE);
    expect(await advance(here)).toEqual(
      receipt('cancelled', { unwinding: { by: '@policy', reason: expect.any(String) as string } }),
    );
    expect(here.effects.started).toEqual(['d 1', 'undo-c 1', 'undo-a 1']);
    expect(here.kinds().slice(8, 9)).toEqual(['unwinding d 1']);
    expect(here.scripted.rows[8]).toMatchObject({ requestId: 'q', agentId: 'agent' });
  });
});
