import { describe, expect, it } from 'vitest';

import { chainBreach } from '../../../../src/execution/chain.ts';
import type { ChainRow } from '../../../../src/execution/chain.ts';
import type { RowKind } from '../../../../src/execution/row.ts';
import type { JsonObject } from '../../../../src/json.ts';

function row(seq: number, kind: RowKind, over: Partial<ChainRow> = {}): ChainRow {
  return { seq, kind, fencingToken: 5, cellId: 'a', attempt: 1, body: {}, ...over };
}

function codeOf(before: ChainRow | undefined, after: ChainRow): string {
  return chainBreach(before, after)?.code ?? 'allowed';
}

const interrupted = (reason: string, over: Partial<ChainRow> = {}): ChainRow =>
  row(2, 'interrupted', { body: { reason }, ...over });
const decided = (as: string, over: Partial<ChainRow> = {}): ChainRow =>
  row(3, 'decided', { body: { as }, ...over });

describe('the first row', () => {
  it.each(['started', 'satisfied', 'refuted', 'skipped'] as const)('may be %s', (kind) => {
    expect(codeOf(undefined, row(1, kind))).toBe('allowed');
  });

  it.each(['unwinding', 'cancelled'] as const)('may be %s: nothing has run', (kind) => {
    expect(codeOf(undefined, row(1, kind))).toBe('allowed');
    expect(codeOf(undefined, row(1, kind, { attempt: 2 }))).toBe('LH003');
  });

  it('is never of an undo cell: there is nothing to undo', () => {
    for (const kind of ['started', 'satisfied', 'refuted', 'skipped'] as const)
      expect(codeOf(undefined, row(1, kind, { cellId: 'undo-a' }))).toBe('LH003');
  });

  it.each(['completed', 'failed', 'interrupted', 'decided'] as const)(
    'may not be %s, which closes what was never opened',
    (kind) => {
      expect(codeOf(undefined, row(1, kind, { body: { reason: 'crash', as: 'rerun' } }))).toBe(
        'LH003',
      );
    },
  );

  it('has attempt 1', () => {
    expect(codeOf(undefined, row(1, 'started', { attempt: 2 }))).toBe('LH003');
  });
});

describe('a gap', () => {
  it.each([-1, 0, 2, 3, 1000])('is refused: seq %d without the row before it', (seq) => {
    expect(codeOf(undefined, row(seq, 'started'))).toBe('LH001');
  });
});

describe('the token', () => {
  it('never goes back', () => {
    expect(codeOf(row(1, 'completed'), row(2, 'started', { cellId: 'b', fencingToken: 4 }))).toBe(
      'LH002',
    );
  });

  it('may stay or grow', () => {
    expect(codeOf(row(1, 'completed'), row(2, 'started', { cellId: 'b' }))).toBe('allowed');
    expect(codeOf(row(1, 'completed'), row(2, 'started', { cellId: 'b', fencingToken: 9 }))).toBe(
      'allowed',
    );
  });

  it('is looked at before the order of kinds', () => {
    expect(codeOf(row(1, 'refuted'), row(2, 'started', { fencingToken: 4 }))).toBe('LH002');
  });

  it.each(['completed', 'failed'] as const)('of a %s row is that of its attempt', (kind) => {
    expect(codeOf(row(1, 'started'), row(2, kind))).toBe('allowed');
    expect(codeOf(row(1, 'started'), row(2, kind, { fencingToken: 6 }))).toBe('LH003');
  });

  it('of an interruption by a crash may be a later term’s', () => {
    expect(codeOf(row(1, 'started'), interrupted('crash', { fencingToken: 6 }))).toBe('allowed');
  });

  it.each(['not_started', 'timeout', 'aborted', 'unverified'])(
    'of an interruption (%s) that only its own process can know of is that of its attempt',
    (reason) => {
      expect(codeOf(row(1, 'started'), interrupted(reason))).toBe('allowed');
      expect(codeOf(row(1, 'started'), interrupted(reason, { fencingToken: 6 }))).toBe('LH003');
    },
  );
});

describe('an open attempt', () => {
  it.each([
    'started',
    'satisfied',
    'refuted',
    'skipped',
    'decided',
    'unwinding',
    'cancelled',
  ] as const)('is not followed by %s', (kind) => {
    const body = { as: 'succeeded', by: 'ann' };
    expect(codeOf(row(1, 'started'), row(2, kind, { cellId: 'b', body }))).toBe('LH003');
    expect(codeOf(row(1, 'started'), row(2, kind, { attempt: 2, body }))).toBe('LH003');
    expect(codeOf(row(1, 'started'), row(2, kind, { body }))).toBe('LH003');
  });

  it.each(['completed', 'failed', 'interrupted'] as const)(
    'is closed by %s of its own cell and attempt only',
    (kind) => {
      const body = { reason: 'timeout' };
      expect(codeOf(row(1, 'started'), row(2, kind, { body }))).toBe('allowed');
      expect(codeOf(row(1, 'started'), row(2, kind, { body, cellId: 'b' }))).toBe('LH003');
      expect(codeOf(row(1, 'started'), row(2, kind, { body, attempt: 2 }))).toBe('LH003');
    },
  );

  it.each([{}, { reason: 'boredom' }, { reason: ['crash'] }, { reason: null }])(
    'is not interrupted for %j, which is no reason',
    (body: JsonObject) => {
      expect(codeOf(row(1, 'started'), row(2, 'interrupted', { body }))).toBe('LH003');
    },
  );
});

describe('a doubt', () => {
  it.each(['crash', 'timeout', 'aborted', 'unverified'])(
    'by %s may be decided any way',
    (reason) => {
      for (const as of ['succeeded', 'failed', 'rerun', 'skipped']) {
        expect(codeOf(interrupted(reason), decided(as))).toBe('allowed');
      }
      expect(codeOf(interrupted(reason), decided('perhaps'))).toBe('LH003');
    },
  );

  it('that is none, because the effect never began, is decided rerun', () => {
    expect(codeOf(interrupted('not_started'), decided('rerun'))).toBe('allowed');
    for (const as of ['succeeded', 'failed', 'skipped']) {
      expect(codeOf(interrupted('not_started'), decided(as))).toBe('LH003');
    }
  });

  it('about an effect that happened is decided as failed only if the decision says so', () => {
    const doubt = interrupted('unverified', { body: { reason: 'unverified', happened: true } });
    expect(codeOf(doubt, decided('failed'))).toBe('LH003');
    expect(codeOf(doubt, decided('failed', { body: { as: 'failed', happened: true } }))).toBe(
      'allowed',
    );
    for (const as of ['succeeded', 'rerun', 'skipped'])
      expect(codeOf(doubt, decided(as))).toBe('allowed');
  });

  it.each([
    'started',
    'completed',
    'failed',
    'interrupted',
    'satisfied',
    'refuted',
    'skipped',
    'unwinding',
  ] as const)('is not followed by %s', (kind) => {
    const body = { reason: 'crash' };
    expect(codeOf(interrupted('crash'), row(3, kind, { cellId: 'b', body }))).toBe('LH003');
    expect(codeOf(interrupted('crash'), row(3, kind, { body }))).toBe('LH003');
  });

  it('is decided for the attempt that it is about', () => {
    expect(codeOf(interrupted('crash'), decided('rerun', { attempt: 2 }))).toBe('LH003');
    expect(codeOf(interrupted('crash'), decided('rerun', { cellId: 'b' }))).toBe('LH003');
  });
});

describe('after a decision', () => {
  it('rerun comes the next verdict on a cell that has no attempts', () => {
    for (const kind of ['satisfied', 'refuted', 'skipped'] as const) {
      expect(codeOf(decided('rerun'), row(4, kind, { attempt: 2 }))).toBe('allowed');
      expect(codeOf(decided('rerun'), row(4, kind, { attempt: 1 }))).toBe('LH003');
      expect(codeOf(decided('rerun'), row(4, kind, { cellId: 'b', attempt: 2 }))).toBe('LH003');
      expect(codeOf(decided('failed'), row(4, kind, { attempt: 2 }))).toBe('LH003');
    }
  });

  it.each(['rerun', 'failed'])('%s comes the next attempt of the same cell', (as) => {
    expect(codeOf(decided(as), row(4, 'started', { attempt: 2 }))).toBe('allowed');
    expect(codeOf(decided(as), row(4, 'started', { attempt: 1 }))).toBe('LH003');
    expect(codeOf(decided(as), row(4, 'started', { attempt: 3 }))).toBe('LH003');
    expect(codeOf(decided(as), row(4, 'started', { cellId: 'b' }))).toBe('LH003');
  });

  it.each(['succeeded', 'skipped'])('%s comes another cell', (as) => {
    expect(codeOf(decided(as), row(4, 'started', { cellId: 'b' }))).toBe('allowed');
    expect(codeOf(decided(as), row(4, 'started', { attempt: 2 }))).toBe('LH003');
    expect(codeOf(decided(as), decided(as, { seq: 4 }))).toBe('LH003');
  });
});

describe('after an end', () => {
  it('failed comes the next attempt of the same cell, or a decision about it', () => {
    const failed = row(2, 'failed');
    expect(codeOf(failed, row(3, 'started', { attempt: 2 }))).toBe('allowed');
    expect(codeOf(failed, row(3, 'satisfied', { attempt: 2 }))).toBe('LH003');
    expect(codeOf(failed, row(3, 'started', { cellId: 'b' }))).toBe('LH003');
  });

  it('failed although the effect happened comes no attempt', () => {
    const body = { happened: true };
    const next = row(4, 'started', { attempt: 2 });
    expect(codeOf(row(3, 'failed', { body }), next)).toBe('LH003');
    expect(codeOf(decided('failed', { body: { as: 'failed', ...body } }), next)).toBe('LH003');
    expect(codeOf(row(3, 'failed', { body: { notBegun: true } }), next)).toBe('allowed');
  });

  it.each(['completed', 'satisfied', 'skipped'] as const)(
    '%s comes another cell, at attempt 1',
    (kind) => {
      for (const next of ['started', 'satisfied', 'refuted', 'skipped'] as const) {
        expect(codeOf(row(2, kind), row(3, next, { cellId: 'b' }))).toBe('allowed');
        expect(codeOf(row(2, kind), row(3, next, { cellId: 'b', attempt: 2 }))).toBe('LH003');
        expect(codeOf(row(2, kind), row(3, next))).toBe('LH003');
      }
      expect(codeOf(row(2, kind), row(3, 'completed'))).toBe('LH003');
    },
  );

  it('refuted comes no other cell, and no verdict before a decision', () => {
    for (const kind of ['started', 'satisfied', 'refuted', 'skipped', 'completed'] as const) {
      expect(codeOf(row(2, 'refuted'), row(3, kind, { cellId: 'b' }))).toBe('LH003');
      expect(codeOf(row(2, 'refuted'), row(3, kind, { attempt: 2 }))).toBe('LH003');
    }
  });
});
