import { describe, expect, it } from 'vitest';

import { isId } from '../../../../src/ids.ts';
import type { Cell } from '../../../../src/runbook/runbook.ts';
import {
  execCellOf,
  isUndoCellId,
  undoCell,
  undoCellId,
  undoneBy,
} from '../../../../src/runbook/undo.ts';

const undo = { handler: 'undo' };

describe('an undo cell', () => {
  it('is an exec cell with its own id, made of an effect or of the fields of an exec cell', () => {
    const bare: Cell = { id: 'a', exec: { handler: 'do' }, timeout: '9s', undo };
    expect(undoCell(bare)).toEqual({ id: 'undo-a', exec: undo });
    const whole = { exec: undo, retry: { attempts: 3 }, onInterrupt: 'rerun' as const };
    expect(undoCell({ ...bare, undo: whole })).toEqual({ id: 'undo-a', ...whole });
  });

  it('is of the cells that define one only', () => {
    expect(undoCell({ id: 'a', exec: { handler: 'do' } })).toBeUndefined();
    expect(undoCell({ id: 'text', prose: 'Words.' })).toBeUndefined();
  });

  it('has an id that can be stored and belongs to one cell, however long that one’s is', () => {
    const ids = [1, 2, 3, 4].map((n) => undoCellId(`${'x'.repeat(127)}${n}`));
    expect(ids.every((id) => isId(id) && isUndoCellId(id))).toBe(true);
    expect(new Set(ids).size).toBe(4);
    expect(undoCellId('x'.repeat(123))).toBe(`undo-${'x'.repeat(123)}`);
  });
});

describe('the exec cell that a row names', () => {
  const long = 'x'.repeat(128);
  const cells: Cell[] = [
    { id: 'a', exec: { handler: 'do' }, undo },
    { id: 'gate', await: { for: '1s' }, undo },
    { id: long, exec: { handler: 'do' }, undo },
    { id: 'plain', exec: { handler: 'do' } },
  ];

  it('is one of the runbook, or what undoes one', () => {
    expect(execCellOf(cells, 'a')).toBe(cells[0]);
    expect(execCellOf(cells, 'undo-a')).toEqual({ id: 'undo-a', exec: undo });
    expect(execCellOf(cells, 'undo-gate')).toEqual({ id: 'undo-gate', exec: undo });
    expect(execCellOf(cells, undoCellId(long))?.exec).toEqual(undo);
  });

  it('is none where the cell has no effect, no undo, or does not exist', () => {
    for (const id of ['gate', 'undo-plain', 'undo-none', 'none'])
      expect(execCellOf(cells, id)).toBeUndefined();
  });

  it('is known to undo the cell that its id is made of', () => {
    expect(undoneBy(cells, 'undo-gate')).toBe(cells[1]);
    expect(undoneBy(cells, undoCellId(long))?.id).toBe(long);
    for (const id of ['gate', 'undo-none']) expect(undoneBy(cells, id)).toBeUndefined();
  });
});
