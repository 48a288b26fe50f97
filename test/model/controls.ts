import { behind, type Control, type SecondLine } from './control.ts';
import {
  decidedTwice,
  doubted,
  lapse,
  lapseAndDrain,
  lapseAndTakeOver,
  lostAnswer,
  retried,
  takeOver,
  takeOverAndLostAnswer,
} from './control-scenarios.ts';
import { scenario } from './scenario.ts';

/** Rules without which a guarantee breaks. */
export const NECESSARY: readonly Control[] = [
  {
    name: 'no intent before the effect',
    without: { intentFirst: false },
    scenario: takeOver,
    breaks: '1 no effect without its committed intent',
  },
  {
    name: 'no intent before the effect, seen from the effect',
    without: { intentFirst: false },
    scenario: takeOver,
    breaks: '3 an attempt is begun at most once',
  },
  {
    name: 'no trust check before the effect',
    without: { trustBeforeEffect: false },
    scenario: lapse,
    breaks: '3 an effect begins only while its attempt is open',
  },
  {
    name: 'no trust check at all, and a log that takes any row',
    without: {
      trustBeforeIntent: false,
      trustBeforeEffect: false,
      tokenCheck: false,
      order: 'none',
    },
    scenario: lapse,
    breaks: '3 an effect begins only while its attempt is open',
  },
  {
    name: 'an old holding revived by a new session',
    without: { trustOfTerm: false },
    scenario: lapse,
    breaks: '3 an effect begins only while its attempt is open',
  },
  {
    name: 'a session may expire while its window is open',
    without: { windowClosesFirst: false },
    scenario: scenario('one replica may lose its session', {}),
    breaks: '3 an effect begins only while its attempt is open',
  },
  {
    name: 'attempts registered for a holding only',
    without: { attemptsOf: 'holding' },
    scenario: lapse,
    breaks: '3 nobody closes an attempt that is in hand',
  },
  {
    name: 'an attempt is registered once its intent is known to stand',
    without: { registeredBeforeIntent: false },
    scenario: takeOverAndLostAnswer,
    breaks: '3 nobody closes an attempt that is in hand',
  },
  {
    name: 'an attempt is released when its effect ends',
    without: { registeredUntilDefinite: false },
    scenario: lapse,
    breaks: '3 nobody closes an attempt that is in hand',
  },
  {
    name: 'an unknown append is put behind what the log holds by now',
    without: { resend: 'renumbered' },
    scenario: takeOverAndLostAnswer,
    breaks: '4 every refusal is explained',
  },
  {
    name: 'an unknown append is derived again',
    without: { resend: 'rederived' },
    scenario: lostAnswer,
    breaks: '6 a known outcome is kept',
  },
  {
    name: 'an unknown append is taken for failed',
    without: { resend: 'never' },
    scenario: lostAnswer,
    breaks: '6 a known outcome is kept',
  },
  {
    name: 'a failed check after the intent does nothing',
    without: { afterFailedCheck: 'nothing' },
    scenario: lapse,
    breaks: '4 never stuck',
  },
  {
    name: 'a failed check after the intent interrupts plainly',
    without: { afterFailedCheck: 'interrupted' },
    scenario: lapse,
    breaks: '4 no false doubt',
  },
  {
    name: 'receipts are not fenced',
    without: { receiptFenced: false },
    scenario: doubted,
    breaks: '5 a receipt has every row of its request',
  },
  {
    name: 'receipts are not deduped',
    without: { receiptOnce: false },
    scenario: lostAnswer,
    breaks: '5 one receipt',
  },
  {
    name: 'a receipt ends nothing',
    without: { receiptEnds: 'nothing' },
    scenario: lapseAndTakeOver,
    breaks: '5 a receipt has every row of its request',
  },
  {
    name: 'a receipt ends only what begins something',
    without: { receiptEnds: 'openings' },
    scenario: lapseAndDrain,
    breaks: '5 a receipt has every row of its request',
  },
  {
    name: 'a walk goes on after answering unavailable',
    without: { unavailableEnds: false },
    scenario: lostAnswer,
    breaks: '5 unavailable means nothing runs',
  },
  {
    name: 'late outcomes are not read before policy',
    without: { evidenceFirst: false },
    scenario: lapse,
    breaks: '6 evidence is heard before a decision',
  },
  {
    name: 'late outcomes are not read before policy, seen from the end',
    without: { evidenceFirst: false },
    scenario: lapse,
    breaks: '4 never stuck',
  },
  {
    name: 'what the log refused is not kept',
    without: { keepsEvidence: false },
    scenario: lapse,
    breaks: '6 a known outcome is kept',
  },
  {
    name: '"I do not run it" is no promise',
    without: { promise: false },
    scenario: takeOver,
    breaks: '3 an effect begins only while its attempt is open',
  },
  {
    name: '"I never began it" is no promise',
    without: { promise: false },
    scenario: takeOver,
    breaks: '6 not_started is the truth',
  },
  {
    name: 'closing without asking etcd',
    without: { confirmGone: false },
    scenario: takeOver,
    breaks: '3 an effect begins only while its attempt is open',
  },
  {
    name: 'a take-over that ignores an open attempt, and closes it',
    without: { takeOverLooks: false, confirmGone: false },
    scenario: takeOver,
    breaks: '3 nobody closes an attempt that is in hand',
  },
  {
    name: 'a decision answers whatever doubt there is',
    without: { decisionNamesAttempt: false },
    scenario: decidedTwice,
    breaks: '3 a cell runs again only where that is allowed',
  },
];

/**
 * Rules that back up another one: without one of them alone nothing breaks; without both something
 * does.
 */
export const SECOND_LINES: readonly SecondLine[] = [
  behind(
    retried,
    { name: 'the log takes any token', without: { tokenCheck: false } },
    {
      name: 'the log takes any token, and an outbid holder reads on',
      without: { dropsWhenFenced: false },
      breaks: '2 tokens never go back',
    },
  ),
  behind(
    retried,
    { name: 'an outbid holder reads on under the old token', without: { dropsWhenFenced: false } },
    {
      name: 'an outbid holder reads on, and the log takes any token',
      without: { tokenCheck: false },
      breaks: '2 tokens never go back',
    },
  ),
  behind(
    lostAnswer,
    { name: 'the log takes any order', without: { order: 'none' } },
    {
      name: 'the log takes any order, and unknown appends are renumbered',
      without: { resend: 'renumbered' },
      breaks: '3 an attempt is begun at most once',
      scenario: takeOverAndLostAnswer,
    },
  ),
  behind(
    lostAnswer,
    { name: 'the guard compares kinds only', without: { order: 'kinds' } },
    {
      name: 'the guard compares kinds only, and unknown appends are renumbered',
      without: { resend: 'renumbered' },
      breaks: '6 not_started is the truth',
    },
  ),
];

/** Rules without which nothing breaks here. */
export const NOTHING_BREAKS: readonly Control[] = [
  {
    name: 'an intent that reads back is run without reading on',
    without: { readsOnAfterResend: false },
    scenario: takeOverAndLostAnswer,
    breaks: undefined,
  },
  {
    name: 'a take-over does not look for open attempts',
    without: { takeOverLooks: false },
    scenario: takeOver,
    breaks: undefined,
  },
];

/** Without each of these no state is wrong, but there is no end to them: see their test. */
export const ENDLESS: readonly Control[] = [
  {
    name: 'no trust check before the intent',
    without: { trustBeforeIntent: false },
    scenario: lapse,
    breaks: undefined,
  },
  {
    name: 'a term that renounced an attempt goes on',
    without: { dropsWhenRenounced: false },
    scenario: takeOver,
    breaks: undefined,
  },
];
