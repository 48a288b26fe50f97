import { lapse } from './control-scenarios.ts';
import { behind, type Control, type SecondLine } from './control.ts';
import { scenario } from './scenario.ts';

/* The rules on what an outcome means, taken away one by one. */

const EVERY_VERDICT = { verdicts: ['rerun', 'succeeded', 'failed'] } as const;

const happenedRetried = scenario(
  'an effect that happens, retried',
  {},
  { endings: ['happened'], attempts: 2 },
);
const happenedAndFenced = scenario(
  'an effect that happens, retried, and a lapse',
  { lapses: 1 },
  { endings: ['happened'], attempts: 2 },
);
const outputLost = scenario('an output is lost', {}, { endings: ['outputLost'], attempts: 2 });
const stopped = scenario('an effect is stopped, retried', { unknowns: 1 }, { attempts: 2 });
const stoppedThenNotBegun = scenario(
  'an effect is stopped, and not begun when it is repeated',
  { unknowns: 1 },
  { cells: ['rerun'], endings: ['completed', 'notBegun'], attempts: 2 },
);
const stoppedThenShort = scenario(
  'an effect is stopped, and its replica is short of something when it is repeated',
  { unknowns: 1, shortages: 1 },
  { cells: ['rerun'], attempts: 2 },
);
const notBegunAndFenced = scenario(
  'an effect that is not begun, retried, and a lapse',
  { lapses: 1 },
  { endings: ['notBegun'], attempts: 2 },
);
const unverified = scenario(
  'an outcome cannot be verified',
  {},
  { cells: ['rerun'], endings: ['unverified'], attempts: 2 },
);
const unverifiedProbed = scenario(
  'an outcome cannot be verified, with a probe',
  {},
  { cells: ['probe'], endings: ['unverified'] },
);
const unverifiedDecided = scenario(
  'an outcome cannot be verified, and a person decides',
  { decisions: 1 },
  { ...EVERY_VERDICT, endings: ['unverified'], attempts: 2, requests: 2 },
);
const unverifiedAndFenced = scenario(
  'an outcome cannot be verified, with a probe, and a lapse',
  { lapses: 1 },
  { cells: ['probe'], endings: ['unverified'] },
);
const unverifiedFencedDecided = scenario(
  'an outcome cannot be verified, a lapse, and a person decides',
  { lapses: 1, decisions: 1 },
  { ...EVERY_VERDICT, endings: ['unverified'] },
);
const hearsayInDoubt = scenario('an unknown end, and hearsay', { unknowns: 1, hearsay: 1 });
const hearsayAndFenced = scenario('a lapse, and hearsay', { lapses: 1, hearsay: 1 });
const rejectedOnce = scenario('a refused write', { rejections: 1 });
const rejectedOften = scenario(
  'two refused writes about an effect that happened',
  { rejections: 2 },
  { endings: ['happened'], attempts: 2 },
);

/** Rules without which a guarantee breaks. */
export const OUTCOMES_NECESSARY: readonly Control[] = [
  {
    name: 'a success that is not as expected is a plain failure',
    without: { takenFor: { happened: 'refused' } },
    scenario: happenedRetried,
    breaks: '6 a recorded outcome is the truth',
  },
  {
    name: 'a success that is not as expected is retried as if refused',
    without: { takenFor: { happened: 'refused' } },
    scenario: happenedRetried,
    breaks: '3 a new key only after a refusal',
  },
  {
    name: 'a success whose output is lost is a failure',
    without: { takenFor: { outputLost: 'refused' } },
    scenario: outputLost,
    breaks: '6 a recorded outcome is the truth',
  },
  {
    name: 'a success whose output is lost is retried as if refused',
    without: { takenFor: { outputLost: 'refused' } },
    scenario: outputLost,
    breaks: '3 a new key only after a refusal',
  },
  {
    name: 'what we stopped is a failure',
    without: { takenFor: { unknown: 'refused' } },
    scenario: stopped,
    breaks: '6 a recorded outcome is the truth',
  },
  {
    name: 'what we stopped is retried as if refused',
    without: { takenFor: { unknown: 'refused' } },
    scenario: stopped,
    breaks: '3 a new key only after a refusal',
  },
  {
    name: 'what we stopped never began',
    without: { takenFor: { unknown: 'wrongReplica' } },
    scenario: stopped,
    breaks: '6 not_started is the truth',
  },
  {
    name: 'what never began is retried as if refused',
    without: { takenFor: { notBegun: 'refused' } },
    scenario: stoppedThenNotBegun,
    breaks: '3 a new key only after a refusal',
  },
  {
    name: 'a shortage of the replica is a failure of the cell',
    without: { takenFor: { wrongReplica: 'refused' } },
    scenario: stoppedThenShort,
    breaks: '3 a new key only after a refusal',
  },
  {
    name: 'a shortage of the replica is a doubt',
    without: { takenFor: { wrongReplica: 'unknown' } },
    scenario: stoppedThenShort,
    breaks: '6 a known outcome is kept',
  },
  {
    name: 'what cannot be verified is a failure',
    without: { takenFor: { unverified: 'refused' } },
    scenario: unverified,
    breaks: '6 a recorded outcome is the truth',
  },
  {
    name: 'what cannot be verified is run again by policy',
    without: { unverifiedHolds: false },
    scenario: unverified,
    breaks: '6 only a person settles an unverified outcome',
  },
  {
    name: 'what cannot be verified is settled by a probe',
    without: { unverifiedHolds: false },
    scenario: unverifiedProbed,
    breaks: '6 only a person settles an unverified outcome',
  },
  {
    name: 'what a fenced holder cannot verify is settled by a probe',
    without: { unverifiedHolds: false },
    scenario: unverifiedAndFenced,
    breaks: '6 evidence is heard before a decision',
  },
  {
    name: 'a decision drops that an effect happened, which a fenced holder has seen',
    without: { decisionKeepsHappened: false },
    scenario: unverifiedFencedDecided,
    breaks: '6 evidence is heard before a decision',
  },
  {
    name: 'the plan retries an effect that happened; the log refuses it',
    without: { happenedEnds: false },
    scenario: happenedRetried,
    breaks: '4 every refusal is explained',
  },
  {
    name: 'a decision drops that the effect happened; the log refuses it',
    without: { decisionKeepsHappened: false },
    scenario: unverifiedDecided,
    breaks: '4 every refusal is explained',
  },
  {
    name: 'a late failure forgets that the effect happened',
    without: { evidenceKeepsFlags: false },
    scenario: happenedAndFenced,
    breaks: '3 a new key only after a refusal',
  },
  {
    name: 'a late failure forgets that the effect never began',
    without: { evidenceKeepsFlags: false },
    scenario: notBegunAndFenced,
    breaks: '3 a new key only after a refusal',
  },
  {
    name: 'what another process writes about an attempt in doubt is believed',
    without: { ownWordOnly: false },
    scenario: hearsayInDoubt,
    breaks: '3 at most once, unless policy, a probe or a person allows more',
  },
  {
    name: 'what another process writes about an attempt of a fenced holder is believed',
    without: { ownWordOnly: false },
    scenario: hearsayAndFenced,
    breaks: '6 a recorded outcome is the truth',
  },
  {
    name: 'what another process writes keeps out what the own one says',
    without: { lateOfEach: false },
    scenario: hearsayAndFenced,
    breaks: '6 a known outcome is kept',
  },
  {
    name: 'a process says of the attempt of another one that it never began; the log refuses it',
    without: { closesAsCrash: false },
    scenario: lapse,
    breaks: '4 every refusal is explained',
  },
  {
    name: 'a success that Postgres refuses is recorded as a failure',
    without: { rejected: 'failed' },
    scenario: rejectedOnce,
    breaks: '6 a recorded outcome is the truth',
  },
  {
    name: 'an outcome that Postgres refuses is dropped',
    without: { rejected: 'dropped' },
    scenario: rejectedOnce,
    breaks: '6 a known outcome is kept',
  },
  {
    name: 'an intent that Postgres refuses is run',
    without: { rejected: 'run' },
    scenario: rejectedOnce,
    breaks: '1 no effect without its committed intent',
  },
  {
    name: 'a row with less data forgets that the effect happened',
    without: { reducedKeepsFlags: false },
    scenario: rejectedOften,
    breaks: '3 a new key only after a refusal',
  },
];

/** Rules that back up another one. */
export const OUTCOMES_SECOND_LINES: readonly SecondLine[] = [
  behind(
    lapse,
    { name: 'the log takes anybody’s word for how an attempt ended', without: { order: 'none' } },
    {
      name: 'the log takes anybody’s word, and a process says of the attempt of another one that it never began',
      without: { closesAsCrash: false },
      breaks: '3 at most once, unless policy, a probe or a person allows more',
    },
  ),
  behind(
    happenedRetried,
    { name: 'the log takes what follows an effect that happened', without: { order: 'none' } },
    {
      name: 'the plan retries an effect that happened, and the log takes it',
      without: { happenedEnds: false },
      breaks: '3 nothing runs after an effect that happened and failed its cell',
    },
  ),
  behind(
    unverifiedDecided,
    {
      name: 'the log takes a decision that drops that the effect happened',
      without: { order: 'none' },
    },
    {
      name: 'a decision drops that the effect happened, and the log takes it',
      without: { decisionKeepsHappened: false },
      breaks: '3 a new key only after a refusal',
    },
  ),
];
