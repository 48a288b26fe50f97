import { describe, expect, it } from 'vitest';

import { settled } from '../../coordinator/hand-clock.ts';
import type { Line } from '../../src/execution/fixture.ts';
import { advance, cancel, conflict, exec, KEY, receipt, world } from './cancel-fixture.ts';

const DOUBT_A: Line[] = [
  ['started', 'a', 1, KEY],
  ['interrupted', 'a', 1, { reason: 'crash' }],
];

describe('a cancel of an instance in doubt', () => {
  it('leaves what nobody knows, whatever the policy', async () => {
    for (const onInterrupt of ['hold', 'rerun'] as const) {
      const here = world([exec('a', { onInterrupt })], DOUBT_A);
      expect(await cancel(here)).toMatchObject({ kind: 'cancelled', seq: 3 });
      expect(here.kinds().slice(2)).toEqual(['cancelled a 1']);
      expect(here.scripted.rows.at(-1)!.body['left']).toEqual([{ cellId: 'a', attempt: 1 }]);
      expect(here.effects.started).toEqual([]);
    }
  });

  it('records what its holder reported late', async () => {
    for (const cells of [[exec('a'), exec('b')], [exec('a')]]) {
      const here = world(cells, DOUBT_A);
      const { replicaId, fencingToken } = here.scripted.rows[0]!;
      const place = { instanceId: 'i', cellId: 'a', attempt: 1, replicaId, fencingToken };
      here.scripted.lateOutcomes.push({ ...place, kind: 'completed', body: { output: 'x' } });
      const result = await cancel(here);
      expect(here.scripted.rows[2]).toMatchObject({
        kind: 'decided',
        body: { as: 'succeeded', by: '@late-outcome', output: 'x' },
      });
      // If it was the last cell, the instance has completed.
      expect([result.kind, here.scripted.rows.at(-1)!.kind]).toEqual(
        cells.length === 1 ? ['refused', 'decided'] : ['cancelled', 'cancelled'],
      );
      expect(here.scripted.rows.at(-1)!.body['left'] ?? []).toEqual([]);
    }
  });

  it('asks the probe, and runs nothing again for its answer', async () => {
    const probing = exec('a', { onInterrupt: 'probe', probe: { handler: 'p' } });
    const here = world([probing, exec('b')], DOUBT_A);
    here.effects.answer = { answer: 'did_not_happen' };
    expect(await cancel(here)).toMatchObject({ kind: 'cancelled', seq: 4 });
    expect(here.scripted.rows.slice(2)).toMatchObject([
      { kind: 'decided', body: { as: 'rerun', by: '@probe' } },
      { kind: 'cancelled', body: { left: [] } },
    ]);
    const unknown = world([probing], DOUBT_A);
    await cancel(unknown);
    expect(unknown.effects.probed).toEqual(['a']);
    expect(unknown.scripted.rows.at(-1)!.body['left']).toEqual([{ cellId: 'a', attempt: 1 }]);
  });

  it('also leaves an attempt that policy would have run again', async () => {
    const decided: Line = ['decided', 'a', 1, { as: 'rerun', by: '@policy', reason: 'r' }];
    const here = world([exec('a', { onInterrupt: 'rerun' })], [...DOUBT_A, decided]);
    await cancel(here);
    expect(here.scripted.rows.at(-1)!.body['left']).toEqual([{ cellId: 'a', attempt: 1 }]);
  });

  it('with undo is a conflict that shows how to decide, and writes nothing', async () => {
    const here = world([exec('a', { undo: { handler: 'x' } })], DOUBT_A);
    expect(await cancel(here, { undo: true })).toEqual(
      conflict(/in doubt.*: leasehold decide i --cell a --attempt 1 --as '…' --reason '…'$/),
    );
    expect(here.kinds()).toHaveLength(2);
  });

  it('with undo, which ended a running attempt, leaves the doubt to a person', async () => {
    const here = world([exec('a', { onInterrupt: 'rerun', undo: { handler: 'x' } })]);
    const handled = advance(here);
    await settled();
    expect(await cancel(here, { undo: true })).toEqual(conflict(/in doubt/));
    expect(await handled).toEqual(receipt('in_doubt'));
    expect(here.effects.started).toEqual(['a 1']);
  });
});
