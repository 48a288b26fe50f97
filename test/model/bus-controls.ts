import { behind, type Control, type SecondLine } from './control.ts';
import { scenario } from './scenario.ts';

/* What an adversary on the bus may do once a seal is taken away. */

const alone = scenario('hostile: nothing else goes wrong', {}, { hostile: true });
const takeOver = scenario('hostile: a take-over', { takeOvers: 1 }, { hostile: true });
const takeOvers = scenario('hostile: two take-overs', { takeOvers: 2 }, { hostile: true });
const lapse = scenario('hostile: a lapse', { lapses: 1 }, { hostile: true });
const twoCells = scenario(
  'hostile, two cells: a take-over',
  { takeOvers: 1 },
  { hostile: true, cells: ['hold', 'hold'] },
);

/** Rules without which a guarantee breaks. */
export const BUS_NECESSARY: readonly Control[] = [
  {
    name: 'anybody answers whether a replica runs an attempt',
    without: { answersSealed: false },
    scenario: takeOver,
    breaks: '3 at most once, unless policy, a probe or a person allows more',
  },
  {
    name: 'anybody answers for a replica that is gone from etcd and still runs an attempt',
    without: { answersSealed: false },
    scenario: lapse,
    breaks: '3 at most once, unless policy, a probe or a person allows more',
  },
  {
    name: 'anybody announces that a replica leaves, and answers in its place',
    without: { answersSealed: false, notesSealed: false },
    scenario: takeOver,
    breaks: '3 at most once, unless policy, a probe or a person allows more',
  },
  {
    name: 'an answer about another attempt counts',
    without: { answerSeals: 'replica' },
    scenario: twoCells,
    breaks: '3 nobody closes an attempt that is in hand',
  },
  {
    name: 'a replica answers a question to another one',
    without: { addresseeSealed: false },
    scenario: takeOver,
    breaks: '3 an effect begins only while its attempt is open',
  },
  {
    name: 'anybody asks, and a term ends',
    without: { questionsSealed: false },
    scenario: alone,
    breaks: '4 nobody gives way to a term that does not exist',
  },
];

/** Rules that back up another one. */
export const BUS_SECOND_LINES: readonly SecondLine[] = [
  behind(
    takeOver,
    {
      name: 'a process lists what it promised, also about what does not exist',
      without: { listsPromises: true },
    },
    {
      name: 'anybody asks, and promises about what does not exist are kept',
      without: { questionsSealed: false },
      breaks: '4 never stuck',
      scenario: alone,
      // There is no end to it: each answer ends a term, and the next one has another token.
      limit: 1_000,
    },
  ),
];

/** Rules without which nothing breaks here. */
export const BUS_NOTHING_BREAKS: readonly Control[] = [
  {
    name: 'anybody announces that a replica leaves',
    without: { notesSealed: false },
    scenario: takeOvers,
    breaks: undefined,
  },
  {
    name: 'an answer counts for a later question about the same attempt',
    without: { answerSeals: 'attempt' },
    scenario: takeOvers,
    breaks: undefined,
  },
];
