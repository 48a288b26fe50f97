import { RETRIED, scenario, type Scenario } from './scenario.ts';

const EVERY_ENDING = {
  endings: ['completed', 'happened', 'unverified', 'refused', 'notBegun'],
  attempts: 2,
} as const;
const EVERY_VERDICT = { verdicts: ['rerun', 'succeeded', 'failed'] } as const;

/** Small enough to be searched to the end in a test run. */
export const SHORT: readonly Scenario[] = [
  scenario('hold: a lapse, a lost answer, a decision', { lapses: 1, lostAnswers: 1, decisions: 1 }),
  scenario('hold: a take-over, a lapse', { takeOvers: 1, lapses: 1 }),
  scenario(
    'hold, retried: a crash, an unknown end, a decision',
    { crashes: 1, unknowns: 1, decisions: 1 },
    { ...RETRIED },
  ),
  scenario('rerun: a drain, a lapse', { drains: 1, lapses: 1 }, { cells: ['rerun'] }),
  scenario('probe: a crash, an unknown end', { crashes: 1, unknowns: 1 }, { cells: ['probe'] }),
  scenario(
    'hold, rerun: a crash, a lost answer',
    { crashes: 1, lostAnswers: 1 },
    { cells: ['hold', 'rerun'] },
  ),
  scenario(
    'hold, two requests: a doubt, a decision, a take-over',
    { unknowns: 1, decisions: 1, takeOvers: 1 },
    { requests: 2 },
  ),
  scenario(
    'rerun, two requests: a release, a lost answer',
    { releases: 1, lostAnswers: 1 },
    { requests: 2, cells: ['rerun'] },
  ),
  scenario('hold: a release, two lost answers', { releases: 1, lostAnswers: 2 }),
  scenario('hold: an early read, a release, a doubt, a decision', {
    earlyReads: 1,
    releases: 1,
    unknowns: 1,
    decisions: 1,
  }),
  scenario(
    'rerun, hold, two requests: an early read, a crash',
    { earlyReads: 1, crashes: 1 },
    { requests: 2, cells: ['rerun', 'hold'] },
  ),
  scenario('hold, three replicas: two take-overs', { takeOvers: 2 }, { replicas: 3 }),
  scenario(
    'hold, three replicas: a crash, a take-over',
    { crashes: 1, takeOvers: 1 },
    { replicas: 3 },
  ),
  scenario('hold, every ending: a lapse', { lapses: 1 }, EVERY_ENDING),
  scenario(
    'rerun, every ending: an unknown end, a crash',
    { unknowns: 1, crashes: 1 },
    { ...EVERY_ENDING, cells: ['rerun'] },
  ),
  scenario(
    'hold, two requests, every ending and verdict: an unknown end, a decision',
    { unknowns: 1, decisions: 1 },
    { ...EVERY_ENDING, ...EVERY_VERDICT, requests: 2 },
  ),
  scenario(
    'probe, every ending: a lapse',
    { lapses: 1 },
    { ...EVERY_ENDING, attempts: 1, cells: ['probe'] },
  ),
  scenario(
    'rerun: two shortages, a take-over',
    { shortages: 2, takeOvers: 1 },
    { cells: ['rerun'] },
  ),
  scenario(
    'rerun: two shortages, an unknown end, a release',
    { shortages: 2, unknowns: 1, releases: 1 },
    { cells: ['rerun'] },
  ),
  scenario(
    'hold: three refused writes, a take-over',
    { rejections: 3, takeOvers: 1 },
    { endings: ['completed', 'happened'] },
  ),
  scenario(
    'rerun, hold, an output lost: three refused writes, a lost answer',
    { rejections: 3, lostAnswers: 1 },
    { cells: ['rerun', 'hold'], endings: ['completed', 'outputLost'] },
  ),
  scenario('hold: hearsay, a lapse', { hearsay: 1, lapses: 1 }),
  scenario(
    'probe, every ending: hearsay, an unknown end',
    { hearsay: 1, unknowns: 1 },
    { ...EVERY_ENDING, attempts: 1, cells: ['probe'] },
  ),
  scenario('hostile, hold: two take-overs', { takeOvers: 2 }, { hostile: true }),
  scenario(
    'hostile, hold: a take-over, a lost answer',
    { takeOvers: 1, lostAnswers: 1 },
    { hostile: true },
  ),
  scenario(
    'hostile, hold, every ending: a lapse',
    { lapses: 1 },
    {
      ...EVERY_ENDING,
      hostile: true,
    },
  ),
  scenario(
    'hostile, hold: a take-over, an unknown end, a decision',
    { takeOvers: 1, unknowns: 1, decisions: 1 },
    { hostile: true },
  ),
];

/** What `LEASEHOLD_MODEL_DEPTH=long` searches as well. */
export const LONG: readonly Scenario[] = [
  scenario('hold: a take-over, a lapse, a decision', { takeOvers: 1, lapses: 1, decisions: 1 }),
  scenario(
    'hold, two requests: a release, a doubt, a decision, a take-over',
    { releases: 1, unknowns: 1, decisions: 1, takeOvers: 1 },
    { requests: 2 },
  ),
  scenario('hold: a release, a lost answer, a lapse', {
    releases: 1,
    lostAnswers: 1,
    lapses: 1,
  }),
  scenario('hold: a crash, a lapse, a decision', { crashes: 1, lapses: 1, decisions: 1 }),
  scenario('hold: a take-over, a lapse, a lost answer', {
    takeOvers: 1,
    lapses: 1,
    lostAnswers: 1,
  }),
  scenario(
    'rerun: a drain, a lapse, a lost answer',
    { drains: 1, lapses: 1, lostAnswers: 1 },
    { cells: ['rerun'] },
  ),
  scenario('hold, two requests: two lapses', { lapses: 2 }, { requests: 2 }),
  scenario(
    'probe, hold, retried: a crash, a lapse',
    { crashes: 1, lapses: 1 },
    { cells: ['probe', 'hold'], ...RETRIED },
  ),
  scenario('hold: two lost answers, a lapse, a decision', {
    lostAnswers: 2,
    lapses: 1,
    decisions: 1,
  }),
  scenario(
    'hold, three replicas: a lapse, a take-over',
    { lapses: 1, takeOvers: 1 },
    { replicas: 3 },
  ),
  scenario(
    'rerun, every ending: an unknown end, a lapse',
    { unknowns: 1, lapses: 1 },
    { ...EVERY_ENDING, cells: ['rerun'] },
  ),
  scenario(
    'hold, every ending: a lapse, a refused write',
    { lapses: 1, rejections: 1 },
    EVERY_ENDING,
  ),
  scenario(
    'hold: three refused writes, a lapse',
    { rejections: 3, lapses: 1 },
    { endings: ['completed', 'happened'] },
  ),
  scenario(
    'rerun: three shortages, a take-over, a release',
    { shortages: 3, takeOvers: 1, releases: 1 },
    { cells: ['rerun'] },
  ),
  scenario('hold, three replicas: a crash, a lapse', { crashes: 1, lapses: 1 }, { replicas: 3 }),
  scenario(
    'hold, three replicas: a take-over, two lapses',
    { takeOvers: 1, lapses: 2 },
    { replicas: 3 },
  ),
  scenario(
    'hold, three replicas: a lapse, a lost answer, a decision',
    { lapses: 1, lostAnswers: 1, decisions: 1 },
    { replicas: 3 },
  ),
  scenario(
    'rerun, hold, three replicas: two crashes',
    { crashes: 2 },
    { replicas: 3, cells: ['rerun', 'hold'] },
  ),
  scenario('hostile, hold: a take-over, a lapse', { takeOvers: 1, lapses: 1 }, { hostile: true }),
  scenario(
    'hostile, hold, three replicas: two take-overs',
    { takeOvers: 2 },
    { hostile: true, replicas: 3 },
  ),
  scenario(
    'hostile, probe: a crash, a lapse',
    { crashes: 1, lapses: 1 },
    { hostile: true, cells: ['probe'] },
  ),
];
