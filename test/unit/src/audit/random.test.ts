import { isDeepStrictEqual } from 'node:util';

import * as fc from 'fast-check';
import { expect, it } from 'vitest';

import type { Breach } from '../../../../src/audit/check.ts';
import type { Evidence } from '../../../../src/audit/evidence.ts';
import type { Row } from '../../../../src/execution/row.ts';
import { randomLog } from './random-log.ts';
import { breachesOf } from './sample.ts';

const choices = fc.array(fc.nat(1_000), { minLength: 5, maxLength: 150, size: 'max' });

/** Without warnings: evidence may well come after the decision. */
function breaches(evidence: Evidence): Breach[] {
  return breachesOf(evidence).filter(({ severity }) => severity === 'breach');
}

it('a log that keeps the rules is clean, whatever happened to the replicas', () => {
  const kinds = new Set<string>();
  let longest = 0;
  fc.assert(
    fc.property(choices, (made) => {
      const evidence = randomLog(made);
      longest = Math.max(longest, evidence.rows.length);
      for (const { kind, body } of evidence.rows)
        kinds.add(`${kind} ${JSON.stringify(body['by'])}`);
      expect(breaches(evidence)).toEqual([]);
    }),
    { numRuns: 500 },
  );
  expect(longest).toBeGreaterThan(20);
  expect([...kinds].filter((kind) => kind.startsWith('decided')).length).toBeGreaterThanOrEqual(4);
});

/** One change to a log, as by an intruder. Each leaves a trace somewhere. */
const tampering: { [what: string]: (rows: Row[], index: number) => Row[] } = {
  'a row taken out': (rows, index) => rows.filter((_, at) => at !== index),
  'a row taken out, the rest renumbered': (rows, index) =>
    rows.filter((_, at) => at !== index).map((row, at) => ({ ...row, seq: at + 1 })),
  'two rows changed about': (rows, index) => {
    const [a, b] = [rows[index], rows[index + 1]];
    if (a === undefined || b === undefined) return rows.slice(1);
    return rows.map((row) =>
      row === a ? { ...b, seq: a.seq } : row === b ? { ...a, seq: b.seq } : row,
    );
  },
  // Only one row names the replica that began what another closed; two name one that knew an
  // outcome.
  'another replica': (rows) => {
    const outcome = rows.findLastIndex(({ kind }) => kind === 'completed' || kind === 'failed');
    return rows.map((row, at) => (at === outcome ? { ...row, replicaId: 'rX' } : row));
  },
  'another cell': (rows, index) =>
    rows.map((row, at) => (at === index ? { ...row, cellId: 'other' } : row)),
  'another attempt': (rows, index) =>
    rows.map((row, at) => (at === index ? { ...row, attempt: row.attempt + 1 } : row)),
  'a token below those before': (rows, index) =>
    rows.map((row, at) => (at === Math.max(1, index) ? { ...row, fencingToken: 1 } : row)),
};

it.each(Object.entries(tampering))('%s is always found', (_what, tamper) => {
  fc.assert(
    fc.property(choices, fc.nat(), (made, where) => {
      const evidence = randomLog(made);
      const { rows } = evidence;
      const changed = { ...evidence, rows: tamper([...rows], where % Math.max(1, rows.length)) };
      fc.pre(!isDeepStrictEqual(changed.rows, rows));
      expect(breaches(changed).length).toBeGreaterThan(0);
    }),
    { numRuns: 300 },
  );
});
