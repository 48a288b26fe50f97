import { behind, type Control, type SecondLine } from './control.ts';
import { scenario } from './scenario.ts';

/* The rules on the life of an instance, taken away one by one. */

const UNDONE = { exec: 'hold', undo: 'rerun' } as const;

const cancelled = scenario('a cancellation', { cancels: 1 });
const cancelledTwice = scenario('two requests and a cancellation', { cancels: 1 }, { requests: 2 });
const cancelledInDoubt = scenario(
  'an unknown end and a cancellation',
  { cancels: 1, unknowns: 1 },
  { cells: ['rerun'] },
);
const undone = scenario(
  'a cancellation with undo',
  { cancels: 1 },
  { cells: [UNDONE, 'hold'], cancelsWithUndo: [true], requests: 2 },
);
const undoneInOrder = scenario(
  'two cells that are undone',
  {},
  { cells: [UNDONE, UNDONE, 'hold'], endings: ['completed', 'refused'], onHalt: 'undo' },
);
const halted = scenario(
  'a halted cell and two decisions',
  { decisions: 2 },
  { endings: ['refused'], requests: 2 },
);
const waiting = scenario('a deadline and its claim', { claims: 1 }, { cells: [{ await: 'skip' }] });

/** Rules without which a guarantee breaks. */
export const LIFE_NECESSARY: readonly Control[] = [
  {
    name: 'a cancellation of what has completed',
    without: { cancelNeedsCells: false },
    scenario: cancelledTwice,
    breaks: '3 completed or cancelled, never both',
  },
  {
    name: 'a cancellation that settles its doubt by a rerun',
    without: { cancelLeavesDoubts: false },
    scenario: cancelledInDoubt,
    breaks: '6 a cancellation leaves open what nobody knows',
  },
  {
    name: 'a cancellation that does not name the doubt that it leaves',
    without: { cancelNamesDoubt: false },
    scenario: cancelledInDoubt,
    breaks: '6 a cancellation names the doubt that it leaves',
  },
  {
    name: 'a cancellation that does not wait for the closing row; the log refuses it',
    without: { cancelAwaitsClosing: false },
    scenario: cancelled,
    breaks: '4 every refusal is explained',
  },
  {
    name: 'a plan that goes on after the end; the log refuses it, again and again',
    without: { planEndsAtCancelled: false },
    scenario: cancelledTwice,
    breaks: '4 never stuck',
  },
  {
    name: 'a decision on a halted cell that is not looked at again; the log refuses it',
    without: { haltedIsLooked: false },
    scenario: halted,
    breaks: '4 every refusal is explained',
  },
  {
    name: 'an undo before the row that says so; the log refuses it',
    without: { unwindingFirst: false },
    scenario: undone,
    breaks: '4 every refusal is explained',
  },
  {
    name: 'undone in the order in which it was done',
    without: { undoOrder: 'forward' },
    scenario: undoneInOrder,
    breaks: '3 what was done last is undone first',
  },
  {
    name: 'an end before the last undo',
    without: { lastUndoWaits: false },
    scenario: undoneInOrder,
    breaks: '5 what was done is undone once, or visibly not',
  },
  {
    name: 'the claim is read before the clock, in another statement',
    without: { awaitReads: 'apart' },
    scenario: waiting,
    breaks: '7 a claim that was made in time wins',
  },
  {
    name: 'a deadline by the clock of the replica',
    without: { awaitReads: 'own clock' },
    scenario: waiting,
    breaks: '7 a deadline passes by the clock of the database',
  },
  {
    name: 'a deadline that has passed wins over its claim',
    without: { claimWins: false },
    scenario: waiting,
    breaks: '7 a claim that was made in time wins',
  },
];

/** Rules that back up another one. */
export const LIFE_SECOND_LINES: readonly SecondLine[] = [
  behind(
    cancelledTwice,
    { name: 'the log takes what follows a cancellation', without: { cancelledFinal: false } },
    {
      name: 'the log takes what follows a cancellation, and the plan goes on',
      without: { planEndsAtCancelled: false },
      breaks: '3 nothing follows a cancellation',
    },
  ),
  behind(
    cancelled,
    { name: 'the log takes a cancellation of what is open', without: { order: 'none' } },
    {
      name: 'the log takes a cancellation of what is open, which does not wait',
      without: { cancelAwaitsClosing: false },
      breaks: '3 nothing is open when an instance is cancelled',
    },
  ),
  behind(
    halted,
    { name: 'the log takes a second decision on a halted cell', without: { order: 'none' } },
    {
      name: 'the log takes a second decision on a halted cell, and nobody looks',
      without: { haltedIsLooked: false },
      breaks: '3 one decision counts',
    },
  ),
  behind(
    undone,
    { name: 'the log takes an undo at any time', without: { order: 'none' } },
    {
      name: 'the log takes an undo at any time, and it comes first',
      without: { unwindingFirst: false },
      breaks: '3 an undo runs only after unwinding',
    },
  ),
];
