import { scenario, type Scenario } from './scenario.ts';

const UNDONE = { exec: 'hold', undo: 'rerun' } as const;
const REFUSED = { endings: ['completed', 'refused'] } as const;

/** The life of an instance: cancelled, undone, decided while halted, out of time. */
export const LIFE: readonly Scenario[] = [
  scenario('cancelled: a lapse', { cancels: 1, lapses: 1 }),
  scenario('cancelled: a crash, a lost answer', { cancels: 1, crashes: 1, lostAnswers: 1 }),
  scenario(
    'cancelled, hold, hold: a take-over',
    { cancels: 1, takeOvers: 1 },
    { cells: ['hold', 'hold'] },
  ),
  scenario(
    'cancelled, rerun: an unknown end, a crash',
    { cancels: 1, unknowns: 1, crashes: 1 },
    { cells: ['rerun'] },
  ),
  scenario('cancelled, probe: an unknown end', { cancels: 1, unknowns: 1 }, { cells: ['probe'] }),
  scenario(
    'cancelled twice, in doubt: an unknown end, a decision',
    { cancels: 2, unknowns: 1, decisions: 1 },
    { cancelsWithUndo: [false, true], requests: 2 },
  ),
  scenario(
    'undone, asked: a crash',
    { cancels: 1, crashes: 1 },
    { cells: [UNDONE, 'hold'], cancelsWithUndo: [true] },
  ),
  scenario(
    'undone, asked: a lapse',
    { cancels: 1, lapses: 1 },
    { cells: [UNDONE, 'hold'], cancelsWithUndo: [true] },
  ),
  scenario(
    'undone, asked, and cancelled meanwhile: an unknown end',
    { cancels: 2, unknowns: 1 },
    { cells: [UNDONE, 'hold'], cancelsWithUndo: [false, true], requests: 2 },
  ),
  scenario(
    'undone in order, halted: a crash',
    { crashes: 1 },
    { cells: [UNDONE, UNDONE, 'hold'], ...REFUSED, onHalt: 'undo' },
  ),
  scenario(
    'undone, happened: a take-over, a crash',
    { takeOvers: 1, crashes: 1 },
    { cells: [UNDONE], endings: ['completed', 'happened'], onHalt: 'undo' },
  ),
  scenario(
    'undone, halted: an undo in doubt, a decision',
    { unknowns: 1, decisions: 1 },
    { cells: [{ exec: 'hold', undo: 'hold' }, 'hold'], ...REFUSED, onHalt: 'undo', requests: 2 },
  ),
  scenario(
    'halted: two decisions, a take-over',
    { decisions: 2, takeOvers: 1 },
    { endings: ['refused'], requests: 2 },
  ),
  scenario(
    'halted: a decision, a cancellation, a lost answer',
    { decisions: 1, cancels: 1, lostAnswers: 1 },
    { endings: ['completed', 'refused'] },
  ),
  scenario(
    'halted, happened: a decision, a lapse',
    { decisions: 1, lapses: 1 },
    { endings: ['happened'] },
  ),
  scenario(
    'a deadline, or else halt: the claim, a decision, a take-over',
    { claims: 1, decisions: 1, takeOvers: 1 },
    { cells: [{ await: 'halt' }], requests: 2 },
  ),
  scenario(
    'a deadline, or else skip: the claim, a lapse, a lost answer',
    { claims: 1, lapses: 1, lostAnswers: 1 },
    { cells: [{ await: 'skip' }] },
  ),
  scenario(
    'a deadline: the claim, a cancellation, a crash',
    { claims: 1, cancels: 1, crashes: 1 },
    { cells: [{ await: 'halt' }] },
  ),
];

/** What `LEASEHOLD_MODEL_DEPTH=long` searches as well. */
export const LONG_LIFE: readonly Scenario[] = [
  scenario(
    'undone, asked, two requests: a crash',
    { cancels: 1, crashes: 1 },
    { cells: [UNDONE, 'hold'], cancelsWithUndo: [true], requests: 2 },
  ),
  scenario(
    'undone, out of time: a crash, a lapse',
    { crashes: 1, lapses: 1 },
    { cells: [UNDONE, { await: 'halt' }], onHalt: 'undo' },
  ),
  scenario('cancelled: a lapse, a lost answer, a decision', {
    cancels: 1,
    lapses: 1,
    lostAnswers: 1,
    decisions: 1,
  }),
  scenario(
    'cancelled, three replicas: a take-over, a crash',
    { cancels: 1, takeOvers: 1, crashes: 1 },
    { replicas: 3 },
  ),
  scenario(
    'undone in order, asked: a crash, a lapse',
    { cancels: 1, crashes: 1, lapses: 1 },
    { cells: [UNDONE, UNDONE, 'hold'], cancelsWithUndo: [true] },
  ),
  scenario(
    'undone, asked, and cancelled meanwhile: a lapse, a decision',
    { cancels: 2, lapses: 1, decisions: 1 },
    {
      cells: [{ exec: 'hold', undo: 'hold' }, 'hold'],
      cancelsWithUndo: [false, true],
      requests: 2,
    },
  ),
  scenario(
    'halted, retried: two decisions, a lapse, a lost answer',
    { decisions: 2, lapses: 1, lostAnswers: 1 },
    { ...REFUSED, attempts: 2, requests: 2 },
  ),
  scenario(
    'a deadline, three replicas: the claim, a take-over, a lapse',
    { claims: 1, takeOvers: 1, lapses: 1 },
    { cells: [{ await: 'skip' }], replicas: 3, requests: 2 },
  ),
];
