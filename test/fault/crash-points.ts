export const POLICIES = ['hold', 'rerun', 'probe'] as const;
export type Policy = (typeof POLICIES)[number];

/** The result when a holder is killed at a point and the next holder takes over. */
interface Expected {
  outcome: string;
  story: string[];
  /** Number of effects that the witness saw. */
  effects: number;
  /** Which replica's receipt it is: the survivor's, or the one that the victim had recorded. */
  by: 'survivor' | 'victim';
}

const RAN = ['started charge 1', 'completed charge 1'];
export const CUT = ['started charge 1', 'interrupted charge 1 crash'];
const DOUBT: Omit<Expected, 'effects'> = { outcome: 'in_doubt', story: CUT, by: 'survivor' };
export const rerunBy = (who: string): string[] => [
  ...CUT,
  `decided charge 1 rerun by ${who}`,
  'started charge 2',
  'completed charge 2',
];
const done = (story: string[], effects: number): Expected => ({
  outcome: 'completed',
  story,
  effects,
  by: 'survivor',
});
const everyPolicy = (expected: Expected): Record<Policy, Expected> => ({
  hold: expected,
  rerun: expected,
  probe: expected,
});
const effectBegan: Record<Policy, Expected> = {
  hold: { ...DOUBT, effects: 1 },
  rerun: done(rerunBy('@policy'), 2),
  probe: done([...CUT, 'decided charge 1 succeeded by @probe'], 1),
};

export const POINTS: Record<string, Record<Policy, Expected>> = {
  before_intent: everyPolicy(done(RAN, 1)),
  after_intent: {
    hold: { ...DOUBT, effects: 0 },
    rerun: done(rerunBy('@policy'), 1),
    probe: done(rerunBy('@probe'), 1),
  },
  in_effect: effectBegan,
  after_effect: effectBegan,
  after_outcome: everyPolicy({ ...done(RAN, 1), by: 'victim' }),
};
