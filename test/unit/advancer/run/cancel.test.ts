import { describe, expect, it } from 'vitest';

import type { CellOutcome } from '../../../../advancer/cells/cells.ts';
import type { AdvanceRequest } from '../../../../advancer/run/active-request.ts';
import type { RunContext } from '../../../../advancer/run/context.ts';
import { HeldInstance } from '../../../../advancer/run/held-instance.ts';
import type { CancelRequest } from '../../../../advancer/run/pending-cancels.ts';
import type { Cell, Runbook } from '../../../../src/runbook/runbook.ts';
import { over } from '../../../harness/controls.ts';
import { settled } from '../../coordinator/hand-clock.ts';
import { rows, type Line } from '../../src/execution/fixture.ts';
import { HandEffects, OTHER, stage, type Stage } from './fixture.ts';

const DONE: CellOutcome = { kind: 'completed', output: null, detail: {} };
const NO: CellOutcome = { kind: 'failed', class: 'refused', error: { message: 'no' }, detail: {} };
const KEY = { idempotencyKey: 'i/a/1' };
const COMPLETED_A: Line[] = [
  ['started', 'a', 1, KEY],
  ['completed', 'a', 1],
];
const DOUBT_A: Line[] = [
  ['started', 'a', 1, KEY],
  ['interrupted', 'a', 1, { reason: 'crash' }],
];

const exec = (id: string, more: Partial<Cell> = {}): Cell => ({
  id,
  exec: { handler: id },
  ...more,
});

interface World extends Stage {
  effects: HandEffects;
  held: HeldInstance;
  /** The rows of the log. */
  kinds(): string[];
}

function world(
  cells: Cell[],
  history: Line[] = [],
  changed: Partial<RunContext> = {},
  head: Partial<Runbook> = {},
): World {
  const effects = new HandEffects();
  const staged = stage({ effects, ...changed });
  staged.scripted.runbook = { runbook: 'book', version: 1, inputs: [], cells, ...head };
  staged.scripted.rows = rows(...history);
  const held = new HeldInstance(staged.context, staged.holding);
  const kinds = (): string[] =>
    staged.scripted.rows.map(({ kind, cellId, attempt }) => `${kind} ${cellId} ${attempt}`);
  return { ...staged, effects, held, kinds };
}

function cancel(
  { held, clock }: World,
  more: Partial<CancelRequest> = {},
): ReturnType<HeldInstance['cancel']> {
  const arrivedAtMs = clock.wallMs();
  return held.cancel({
    by: 'judge',
    reason: 'not wanted',
    arrivedAtMs,
    expiresAtMs: arrivedAtMs + 30_000,
    remembered: false,
    ...more,
  });
}

function advance({ held, clock }: World, more: Partial<AdvanceRequest> = {}) {
  const requestId = more.requestId ?? 'q';
  return held.advance({
    instanceId: 'i',
    requestId,
    agentId: 'agent',
    wait: false,
    expiresAtMs: clock.wallMs() + 30_000,
    ...more,
  });
}

const receipt = (outcome: string, more: object = {}) => ({
  kind: 'receipt',
  receipt: expect.objectContaining({ outcome, ...more }) as unknown,
});
const conflict = (message: RegExp) => ({
  kind: 'refused',
  error: { code: 'conflict', message: expect.stringMatching(message) as string },
});

describe('a cancel', () => {
  it('of an instance at rest is recorded for no request, with who, why and what is left', async () => {
    const here = world([exec('a'), exec('b')], COMPLETED_A);
    expect(await cancel(here)).toEqual({ kind: 'cancelled', seq: 3, status: 'cancelled' });
    expect(here.scripted.rows.at(-1)).toMatchObject({
      kind: 'cancelled',
      cellId: 'a',
      attempt: 1,
      requestId: null,
      agentId: 'judge',
      body: { by: 'judge', reason: 'not wanted', left: [] },
    });
    expect(here.scripted.entries.at(-1)?.projection).toMatchObject({ status: 'cancelled' });
  });

  it('of an instance with an empty log names its first cell', async () => {
    const here = world([exec('a')]);
    expect(await cancel(here)).toMatchObject({ kind: 'cancelled', seq: 1 });
    expect(here.scripted.rows).toMatchObject([{ kind: 'cancelled', cellId: 'a', attempt: 1 }]);
  });

  it('ends the attempt that runs, and waits for its closing row', async () => {
    const here = world([exec('a'), exec('b')]);
    const handled = advance(here);
    await settled();
    expect(here.effects.started).toEqual(['a 1']);
    expect(await cancel(here)).toMatchObject({ kind: 'cancelled', seq: 3 });
    expect(await handled).toEqual(receipt('cancelled', { nextCellId: null }));
    expect(here.kinds()).toEqual(['started a 1', 'interrupted a 1', 'cancelled a 1']);
    expect(here.scripted.rows[1]!.body).toMatchObject({ reason: 'aborted' });
    expect(here.scripted.rows[2]!.body).toMatchObject({ left: [{ cellId: 'a', attempt: 1 }] });
    expect(here.context.attempts.all()).toEqual([]);
  });

  it('keeps an effect from beginning whose intent is being recorded', async () => {
    const here = world([exec('a')]);
    let recorded = (): void => undefined;
    const wait = new Promise<void>((resolve) => (recorded = resolve));
    const { log } = here.scripted;
    const slow = over(log, {
      async append(entry) {
        if (entry.rows[0]?.kind === 'started') await wait;
        return log.append(entry);
      },
    });
    const held = new HeldInstance({ ...here.context, log: slow }, here.holding);
    const handled = advance({ ...here, held });
    await settled();
    const cancelled = cancel({ ...here, held });
    recorded();
    expect(await cancelled).toMatchObject({ kind: 'cancelled' });
    expect(await handled).toEqual(receipt('cancelled'));
    expect(here.effects.started).toEqual([]);
    expect(here.scripted.rows.map(({ kind, body }) => [kind, body['reason']])).toEqual([
      ['started', undefined],
      ['interrupted', 'not_started'],
      ['decided', 'the effect never began'],
      ['cancelled', 'not wanted'],
    ]);
    expect(here.scripted.rows.at(-1)!.body['left']).toEqual([]);
  });

  it('ends the wait before a retry at once', async () => {
    const here = world([exec('a', { retry: { attempts: 3, backoff: '1h' } })]);
    here.effects.outcomes.push(NO);
    const handled = advance(here);
    await settled();
    expect(here.kinds()).toEqual(['started a 1', 'failed a 1']);
    expect(await cancel(here)).toMatchObject({ kind: 'cancelled', seq: 3 });
    expect(await handled).toEqual(receipt('cancelled'));
    expect(here.effects.started).toEqual(['a 1']);
  });

  it('of a parked instance needs no claim', async () => {
    const here = world([{ id: 'a', await: { for: '1h' } }]);
    expect(await advance(here)).toEqual(receipt('parked', { waiting: expect.anything() }));
    expect(await cancel(here)).toMatchObject({ kind: 'cancelled', seq: 1 });
    expect(await advance(here, { requestId: 'q-2' })).toEqual(receipt('cancelled', { steps: [] }));
  });

  it('that comes while the last cell ends is refused, and the instance completes', async () => {
    const here = world([exec('a')]);
    const handled = advance(here);
    await settled();
    // The receiver's answer is there before the effect is asked to end.
    here.effects.end(DONE);
    const cancelled = cancel(here);
    expect(await cancelled).toEqual(conflict(/^instance i has completed/));
    expect(await handled).toEqual(receipt('completed'));
    expect(here.kinds()).toEqual(['started a 1', 'completed a 1']);
  });

  it.each([
    ['completed', COMPLETED_A, {}, /^instance i has completed: no cell is left$/],
    [
      'cancelled',
      [['cancelled', 'a', 1, { by: 'other', reason: 'mine', left: [] }]] as Line[],
      {},
      /^instance i is cancelled already, by other \(mine\)$/,
    ],
    [
      'being undone, and to be undone',
      [['unwinding', 'a', 1, { by: 'other', reason: 'mine' }]] as Line[],
      { undo: true },
      /^instance i is being undone already, by other/,
    ],
  ] as const)('of an instance that is %s is a conflict', async (_what, history, more, message) => {
    const here = world([exec('a', { undo: { handler: 'x' } })], [...history]);
    const before = here.kinds();
    expect(await cancel(here, more)).toEqual(conflict(message));
    expect(here.kinds()).toEqual(before);
  });

  it('of an instance with cells that are named as undo cells cancels it, but undoes nothing', async () => {
    const history: Line[] = [
      ['started', 'undo-x', 1],
      ['completed', 'undo-x', 1],
    ];
    const here = world([exec('undo-x'), exec('b')], history);
    expect(await cancel(here, { undo: true })).toEqual(
      conflict(/cannot be undone, only cancelled/),
    );
    expect(here.kinds()).toHaveLength(2);
    expect(await cancel(here)).toMatchObject({ kind: 'cancelled', seq: 3 });
  });

  it('is one of two that come together: the other names the first', async () => {
    const here = world([exec('a')]);
    const handled = advance(here);
    await settled();
    const both = await Promise.all([
      cancel(here),
      cancel(here, { by: 'second', reason: 'me too' }),
    ]);
    expect(both).toEqual([
      { kind: 'cancelled', seq: 3, status: 'cancelled' },
      conflict(/is cancelled already, by judge \(not wanted\)/),
    ]);
    expect(await handled).toEqual(receipt('cancelled'));
  });

  it('that another replica applied, and did not answer, is answered from the log', async () => {
    const body = { by: 'judge', reason: 'not wanted', left: [] };
    const here = world([exec('a')], [['cancelled', 'a', 1, body]]);
    const arrivedAtMs = Date.parse(here.scripted.rows[0]!.recordedAt) - 100;
    const expiresAtMs = Number.POSITIVE_INFINITY;
    const times = { arrivedAtMs, expiresAtMs };
    expect(await cancel(here, { ...times, remembered: true })).toMatchObject({ seq: 1 });
    expect(await cancel(here, times)).toEqual(conflict(/cancelled already/));
    expect(await cancel(here, { ...times, remembered: true, reason: 'other' })).toEqual(
      conflict(/cancelled already/),
    );
    const later = { ...times, arrivedAtMs: arrivedAtMs + 60_000, remembered: true };
    expect(await cancel(here, later)).toEqual(conflict(/cancelled already/));
  });

  it('that waited for too long cancels nothing', async () => {
    const here = world([exec('a')]);
    expect(await cancel(here, { expiresAtMs: here.clock.wallMs() - 1 })).toMatchObject({
      kind: 'refused',
      error: { code: 'expired' },
    });
    expect(here.kinds()).toEqual([]);
  });

  it('reads the log again where it has moved on', async () => {
    const here = world([exec('a')]);
    here.scripted.answers.push({ kind: 'conflict', detail: 'taken' });
    expect(await cancel(here)).toMatchObject({ kind: 'cancelled' });
    expect(here.kinds()).toEqual(['cancelled a 1']);
  });

  it('under a holding that is lost is for the replica that leads', async () => {
    const here = world([exec('a')]);
    here.scripted.answers.push({ kind: 'fenced', by: 11, detail: 'outbid' });
    expect(await cancel(here)).toEqual({ kind: 'handed_on' });
  });
});

describe('a cancel of an attempt of another process', () => {
  const open: Line[] = [['started', 'a', 1, KEY, { replicaId: OTHER }]];

  it('waits until that process is gone', async () => {
    const there = stage();
    let gone: 'registered' | 'gone' = 'registered';
    const leases = over(there.context.leases, { confirmGone: () => Promise.resolve(gone) });
    const here = world([exec('a')], open, { leases, askPeer: () => Promise.resolve('silent') });
    const cancelled = cancel(here);
    await here.clock.advance(1_000);
    expect(here.kinds()).toEqual(['started a 1']);
    gone = 'gone';
    await here.clock.advance(1_000);
    expect(await cancelled).toMatchObject({ kind: 'cancelled', seq: 3 });
    expect(here.scripted.rows.at(-1)!.body['left']).toEqual([{ cellId: 'a', attempt: 1 }]);
  });

  it('is given up when it expires, and says who runs it', async () => {
    const here = world([exec('a')], open);
    const cancelled = cancel(here);
    await here.clock.advance(31_000);
    expect(await cancelled).toMatchObject({
      kind: 'refused',
      error: { code: 'unavailable', message: expect.stringContaining(OTHER) as string },
    });
    expect(here.kinds()).toEqual(['started a 1']);
  });
});

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
