import { describe, expect, it } from 'vitest';

import { chainBreach } from '../../../../src/execution/chain.ts';
import type { ChainRow } from '../../../../src/execution/chain.ts';
import { ROW_KINDS, type RowKind } from '../../../../src/execution/row.ts';
import type { JsonObject } from '../../../../src/json.ts';

/*
 * The chain rule at the ends of an instance's life: how a halted one goes on, how one is cancelled,
 * and how one is unwound.
 */

function row(kind: RowKind, over: Partial<ChainRow> = {}): ChainRow {
  return { seq: 2, kind, fencingToken: 5, cellId: 'a', attempt: 1, body: {}, ...over };
}

/** What the guard answers to `after` in the place after `before`. */
function codeOf(before: ChainRow, after: ChainRow): string {
  return chainBreach(before, { ...after, seq: before.seq + 1 })?.code ?? 'allowed';
}

const decided = (as: string, over: Partial<ChainRow> = {}, more: JsonObject = {}): ChainRow =>
  row('decided', { body: { as, by: 'ann', ...more }, ...over });
const undo = (kind: RowKind, over: Partial<ChainRow> = {}): ChainRow =>
  row(kind, { cellId: 'undo-a', ...over });

/** Every row that can close an attempt or a cell, with a body that lets the next one follow. */
const ENDS: Record<string, ChainRow> = {
  completed: row('completed'),
  failed: row('failed'),
  'failed though it happened': row('failed', { body: { happened: true } }),
  satisfied: row('satisfied'),
  refuted: row('refuted'),
  skipped: row('skipped'),
  'decided succeeded': decided('succeeded'),
  'decided failed': decided('failed'),
  'decided rerun': decided('rerun'),
  'decided skipped': decided('skipped'),
};

describe('a halted cell', () => {
  const halts = Object.entries({
    failed: row('failed'),
    'failed though it happened': row('failed', { body: { happened: true } }),
    refuted: row('refuted'),
    'decided failed': decided('failed'),
    'decided failed by evidence': decided('failed', {}, { by: '@late-outcome' }),
  });

  it.each(halts)('(%s) is repaired by a decision of an agent', (_name, halt) => {
    for (const as of ['rerun', 'succeeded', 'skipped'])
      expect(codeOf(halt, decided(as))).toBe('allowed');
  });

  it.each(halts)('(%s) cannot be decided failed once more, or as nothing', (_name, halt) => {
    for (const as of ['failed', 'perhaps', '']) expect(codeOf(halt, decided(as))).toBe('LH003');
    expect(codeOf(halt, row('decided', { body: { by: 'ann' } }))).toBe('LH003');
  });

  it.each(halts)('(%s) is decided by nobody but an agent', (_name, halt) => {
    for (const by of ['@policy', '@probe', '@late-outcome', '@parent', '@', null, 7, ['ann']])
      expect(codeOf(halt, decided('rerun', {}, { by }))).toBe('LH003');
    expect(codeOf(halt, row('decided', { body: { as: 'rerun' } }))).toBe('LH003');
  });

  it.each(halts)('(%s) is decided for the attempt that halted', (_name, halt) => {
    expect(codeOf(halt, decided('rerun', { attempt: 2 }))).toBe('LH003');
    expect(codeOf(halt, decided('rerun', { cellId: 'b' }))).toBe('LH003');
  });

  it('is decided once: the second of two decisions has nothing to answer', () => {
    for (const as of ['rerun', 'succeeded', 'skipped'])
      expect(codeOf(decided(as), decided('rerun'))).toBe('LH003');
  });

  it('runs again although its effect happened, if an agent says so', () => {
    expect(codeOf(row('failed', { body: { happened: true } }), decided('rerun'))).toBe('allowed');
    expect(codeOf(decided('rerun'), row('started', { attempt: 2 }))).toBe('allowed');
  });
});

describe('cancelled', () => {
  it.each(Object.entries(ENDS))('may come after %s, of the same cell and attempt', (_name, end) => {
    expect(codeOf(end, row('cancelled'))).toBe('allowed');
    expect(codeOf(end, row('cancelled', { attempt: 2 }))).toBe('LH003');
    expect(codeOf(end, row('cancelled', { cellId: 'b' }))).toBe('LH003');
  });

  it('may come after a doubt, which it leaves', () => {
    const doubt = row('interrupted', { body: { reason: 'crash' } });
    expect(codeOf(doubt, row('cancelled'))).toBe('allowed');
  });

  it('may come while the instance is unwound, also after a failed or doubtful undo', () => {
    expect(codeOf(row('unwinding'), row('cancelled'))).toBe('allowed');
    for (const kind of ['completed', 'failed', 'interrupted'] as const)
      expect(codeOf(undo(kind), undo('cancelled'))).toBe('allowed');
  });

  it('never comes while an attempt is open', () => {
    expect(codeOf(row('started'), row('cancelled'))).toBe('LH003');
    expect(codeOf(undo('started'), undo('cancelled'))).toBe('LH003');
  });

  it.each(ROW_KINDS)('is final: %s is refused with a code that says so', (kind) => {
    const body = { as: 'rerun', by: 'ann', reason: 'crash' };
    for (const over of [{}, { attempt: 2 }, { cellId: 'b' }, { cellId: 'undo-a' }])
      expect(codeOf(row('cancelled'), row(kind, { body, ...over }))).toBe('LH007');
  });

  it('says so to a stale token, too', () => {
    expect(codeOf(row('cancelled'), row('completed', { fencingToken: 4 }))).toBe('LH007');
  });
});

describe('unwinding', () => {
  it.each(Object.entries(ENDS))('may come after %s, of the same cell and attempt', (_name, end) => {
    expect(codeOf(end, row('unwinding'))).toBe('allowed');
    expect(codeOf(end, row('unwinding', { attempt: 2 }))).toBe('LH003');
    expect(codeOf(end, row('unwinding', { cellId: 'b' }))).toBe('LH003');
  });

  it('never comes while an attempt is open or in doubt', () => {
    expect(codeOf(row('started'), row('unwinding'))).toBe('LH003');
    expect(codeOf(row('interrupted', { body: { reason: 'crash' } }), row('unwinding'))).toBe(
      'LH003',
    );
  });

  it('comes once: not after itself, and not after a row of an undo cell', () => {
    expect(codeOf(row('unwinding'), row('unwinding'))).toBe('LH003');
    for (const kind of ['completed', 'failed', 'decided'] as const) {
      const before = undo(kind, { body: { as: 'succeeded', by: 'ann' } });
      expect(codeOf(before, undo('unwinding'))).toBe('LH003');
    }
  });

  it('is followed by the first attempt of an undo cell, and by no other cell', () => {
    expect(codeOf(row('unwinding'), undo('started'))).toBe('allowed');
    expect(codeOf(row('unwinding'), undo('started', { attempt: 2 }))).toBe('LH003');
    for (const kind of ['started', 'satisfied', 'refuted', 'skipped', 'decided'] as const) {
      for (const over of [{}, { attempt: 2 }, { cellId: 'b' }])
        expect(codeOf(row('unwinding'), row(kind, over))).toBe('LH003');
    }
  });
});

describe('an undo cell', () => {
  it.each(Object.entries(ENDS))('does not open after %s of another cell', (_name, end) => {
    expect(codeOf(end, undo('started'))).toBe('LH003');
  });

  it.each(['satisfied', 'refuted', 'skipped'] as const)('is never %s: it has attempts', (kind) => {
    expect(codeOf(row('unwinding'), undo(kind))).toBe('LH003');
    expect(codeOf(undo('completed'), row(kind, { cellId: 'undo-b' }))).toBe('LH003');
    const again = decided('rerun', { cellId: 'undo-a' });
    expect(codeOf(again, undo(kind, { attempt: 2 }))).toBe('LH003');
  });

  it('has intent, outcome, doubt and decision like any cell', () => {
    expect(codeOf(undo('started'), undo('completed'))).toBe('allowed');
    expect(codeOf(undo('started'), undo('failed'))).toBe('allowed');
    const doubt = undo('interrupted', { body: { reason: 'timeout' } });
    expect(codeOf(undo('started'), doubt)).toBe('allowed');
    for (const as of ['rerun', 'succeeded', 'skipped', 'failed'])
      expect(codeOf(doubt, decided(as, { cellId: 'undo-a' }))).toBe('allowed');
    expect(codeOf(undo('failed'), undo('started', { attempt: 2 }))).toBe('allowed');
    expect(codeOf(undo('failed'), decided('skipped', { cellId: 'undo-a' }))).toBe('allowed');
  });

  it.each([
    ['completed', undo('completed')],
    ['decided succeeded', decided('succeeded', { cellId: 'undo-a' })],
    ['decided skipped', decided('skipped', { cellId: 'undo-a' })],
  ])('that is %s is followed by another undo cell only', (_name, end) => {
    expect(codeOf(end, row('started', { cellId: 'undo-b' }))).toBe('allowed');
    expect(codeOf(end, undo('started', { attempt: 2 }))).toBe('LH003');
    for (const kind of ['started', 'satisfied', 'refuted', 'skipped'] as const)
      expect(codeOf(end, row(kind, { cellId: 'b' }))).toBe('LH003');
  });
});
