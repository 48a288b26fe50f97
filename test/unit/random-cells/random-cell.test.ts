import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { ENDINGS } from '../../../src/execution/outcome.ts';
import { check } from '../../random-cells/checker.ts';
import { Ledger, parseLedger } from '../../random-cells/ledger.ts';
import { INSTEAD, MOVES } from '../../random-cells/moves.ts';
import { randomCell, wordOf } from '../../random-cells/random-cell.ts';
import { LINES, newResult, problemsOf } from '../../random-cells/result.ts';
import { effect, repeated } from './evidence.ts';

describe('the moves of random cells', () => {
  it('mean what the table of outcomes says', () => {
    for (const [name, move] of Object.entries(MOVES))
      expect([name, move.class]).toEqual([name, ENDINGS[move.line].class]);
  });

  it('keep the receiver to its word', () => {
    for (const { acted, refused } of Object.values(INSTEAD))
      expect([MOVES[acted].class, MOVES[refused].class]).toEqual(['succeeded', 'refused']);
  });
});

describe('random cells', () => {
  const cells = Array.from({ length: 20 * LINES.length }, (_, nth) => randomCell(5, nth, LINES));

  it('are the same for the same seed', () => {
    expect(randomCell(5, 70, LINES)).toEqual(cells[70]);
    expect(randomCell(6, 70, LINES)).not.toEqual(cells[70]);
  });

  it('begin with every move, of every kind and policy', () => {
    const firsts = new Set(cells.map(({ plan }) => wordOf(plan[0] ?? '').move));
    expect([...firsts].sort()).toEqual(Object.keys(MOVES).sort());
    const kinds = new Set(cells.map(({ kind, policy }) => `${kind} ${policy}`));
    expect(kinds.size).toBe(9);
  });

  it('never plan that a receiver refuses or begins nothing, and acts all the same', () => {
    const words = cells
      .filter(({ overrides }) => overrides === 'none')
      .flatMap(({ plan }) => plan.map(wordOf));
    const wants = (of: string): Set<string> =>
      new Set(words.filter(({ move }) => MOVES[move].class === of).map(({ want }) => want));
    expect([...wants('succeeded')]).toEqual(['+']);
    expect([...wants('refused')]).toEqual(['!']);
    expect([...wants('notBegun')]).toEqual(['.']);
    expect([...wants('unknown')].sort()).toEqual(['+', '.']);
  });
});

describe('the result of a run', () => {
  it('does not pass while a line of the table was not seen', () => {
    const result = newResult(1, 0);
    const evidence = repeated();
    result.add(check(evidence), evidence);
    const problems = problemsOf(result);
    expect(problems).toHaveLength(LINES.length - 2);
    expect(problems).toContain('no effect ended by status_408');
    for (const line of LINES) result.endings.set(line, 1);
    expect(problemsOf(result)).toEqual([]);
  });

  it('does not pass with a breach, or if a replica ended by itself', () => {
    const result = newResult(1, 0);
    for (const line of LINES) result.endings.set(line, 1);
    const evidence = repeated({ effects: [] });
    result.add(check(evidence), evidence);
    result.lostReplicas.push('a: exit code 70');
    expect(problemsOf(result)).toEqual([
      'c1: completed-means-happened: attempt 2: it is completed, but nothing arrived',
      'a replica ended by itself: a: exit code 70',
    ]);
    expect(result.offenders).toEqual([evidence]);
  });
});

describe('the ledger', () => {
  it('gives back what was noted, and finds acts that were not', () => {
    const folder = mkdtempSync(join(tmpdir(), 'leasehold-ledger-'));
    try {
      mkdirSync(join(folder, 'verdicts'));
      const ledger = new Ledger(folder);
      const first = effect(1, 1, 'exit-137', 'acted', { atMs: 12 });
      expect(ledger.settle(first, 'acted')).toBe('acted');
      expect(ledger.settle(first, 'refused')).toBe('acted');
      ledger.note(first);
      ledger.noteProbe({ instanceId: 'c1', cellId: 'plain', key: first.key, said: 'happened' });
      ledger.settle(effect(2, 2, 'ok-json', 'acted'), 'acted');
      const { effects, probes } = ledger.read();
      expect(effects[0]).toEqual(first);
      expect(effects[1]).toMatchObject({ key: 'c1/plain/2', knew: 'acted', move: 'found' });
      expect(probes.map(({ said }) => said)).toEqual(['happened']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('says which line cannot be read', () => {
    expect(() => parseLedger('effect c1 plain\n')).toThrow('line 1 of the ledger');
  });
});
