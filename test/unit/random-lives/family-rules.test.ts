import { expect, it } from 'vitest';

import { checkFamily, type FamilyEvidence } from '../../random-lives/family-rules.ts';
import { family } from '../../random-lives/family.ts';
import { arrivalOf, keyOf, rowOf, STARTED_AT_MS, undoneEvidence } from './story.ts';

/** A parent whose two children have ended. */
function raised(more: Partial<FamilyEvidence> = {}): FamilyEvidence {
  const { parent, children } = family('f0', 2, false);
  const instances = children.map(({ instanceId }) => ({ instanceId, status: 'completed' }));
  const none = { receipts: [], claims: [], told: [], status: 'completed' };
  return {
    parent: undoneEvidence({
      ...none,
      life: parent,
      rows: [rowOf('satisfied c1 1', 9, { body: { output: { instances } } })],
    }),
    children: children.map((life) =>
      undoneEvidence({
        ...none,
        life,
        rows: [rowOf('started c0 1', 1), rowOf('completed c0 1', 2)],
        arrivals: [arrivalOf('c0', 1, { key: keyOf('c0') })],
      }),
    ),
    origins: children.map(({ instanceId }, n) => {
      return { instanceId, parentInstanceId: 'f0', cellId: 'c1', n };
    }),
    ...more,
  };
}

const rulesOf = (evidence: FamilyEvidence): string[] =>
  checkFamily(evidence).map(({ rule }) => rule);

it('nothing is wrong with a family whose children ran once, and whose parent came last', () => {
  expect(checkFamily(raised())).toEqual([]);
});

it('a child that is missing, or that there are two of, is caught', () => {
  const { origins } = raised();
  expect(rulesOf(raised({ origins: origins.slice(1) }))).toContain('each-child-once');
  expect(rulesOf(raised({ origins: [...origins, ...origins] }))).toContain('each-child-once');
});

it('a child that ran twice, or never, is caught', () => {
  const { children } = raised();
  for (const arrivals of [[arrivalOf('c0', 1), arrivalOf('c0', 1)], []]) {
    const some = children.map((child, n) => (n === 0 ? { ...child, arrivals } : child));
    expect(rulesOf(raised({ children: some }))).toContain('each-child-once');
  }
});

it('a parent that goes on before its last child, or without its output, is caught', () => {
  const { parent } = raised();
  const early = parent.rows.map((row) => ({ ...row, recordedAtMs: STARTED_AT_MS + 1_000 }));
  expect(rulesOf(raised({ parent: { ...parent, rows: early } }))).toContain('parent-last');
  const empty = parent.rows.map((row) => ({ ...row, body: { output: { instances: [] } } }));
  expect(rulesOf(raised({ parent: { ...parent, rows: empty } }))).toContain('parent-last');
  expect(rulesOf(raised({ parent: { ...parent, rows: [] } }))).toContain('parent-last');
});
