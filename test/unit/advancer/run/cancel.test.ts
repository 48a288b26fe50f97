import { describe, expect, it } from 'vitest';

import { HeldInstance } from '../../../../advancer/run/held-instance.ts';
import { over } from '../../../harness/controls.ts';
import { settled } from '../../coordinator/hand-clock.ts';
import type { Line } from '../../src/execution/fixture.ts';
import {
  advance,
  cancel,
  COMPLETED_A,
  conflict,
  DONE,
  exec,
  KEY,
  NO,
  receipt,
  world,
} from './cancel-fixture.ts';
import { OTHER, stage } from './fixture.ts';

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
