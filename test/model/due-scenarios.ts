import { scenario, type Faults, type Scenario } from './scenario.ts';

/** An instance that goes on by itself: nobody makes a request. */
function unattended(
  name: string,
  faults: Partial<Faults>,
  cells: Scenario['cells'],
  rest: Partial<Scenario> = {},
): Scenario {
  return scenario(name, faults, { cells, requests: 0, unattended: true, ...rest });
}

const CLAIM = { await: 'no deadline' } as const;
const PAUSE = { await: 'pause' } as const;

export const claimAndCrash = unattended(
  'unattended: the claim, a crash',
  { claims: 1, crashes: 1 },
  [CLAIM],
);
export const claimAndLostAnswer = unattended(
  'unattended: the claim, a lost answer',
  { claims: 1, lostAnswers: 1 },
  [CLAIM, 'rerun'],
);

export const decidedAndCrash = unattended(
  'unattended: an unknown end, a decision, a crash',
  { unknowns: 1, decisions: 1, crashes: 1 },
  ['hold', CLAIM],
);

/** Work that nobody asks for: claims, deadlines and pauses that bring an instance back. */
export const DUE: readonly Scenario[] = [
  claimAndCrash,
  claimAndLostAnswer,
  unattended('unattended: the claim, a lapse', { claims: 1, lapses: 1 }, [CLAIM]),
  unattended('unattended: the claim, a take-over', { claims: 1, takeOvers: 1 }, [CLAIM, 'hold']),
  unattended(
    'unattended, a deadline: the claim, a crash, a lost answer',
    { claims: 1, crashes: 1, lostAnswers: 1 },
    [{ await: 'skip' }],
  ),
  unattended('unattended, a pause: a crash, a lost answer', { crashes: 1, lostAnswers: 1 }, [
    PAUSE,
    'rerun',
  ]),
  decidedAndCrash,
  unattended(
    'unattended, a claim that changes: a crash, a lapse',
    { claims: 3, crashes: 1, lapses: 1 },
    [CLAIM],
    { claimed: ['open', 'closed', 'open'] },
  ),
  unattended('unattended, cancelled: the claim, a crash', { claims: 1, cancels: 1, crashes: 1 }, [
    CLAIM,
  ]),
];

/** What `LEASEHOLD_MODEL_DEPTH=long` searches as well. */
export const LONG_DUE: readonly Scenario[] = [
  unattended(
    'unattended, retried: the claim, a lapse, a lost answer',
    { claims: 1, lapses: 1, lostAnswers: 1 },
    [CLAIM, 'rerun'],
    { endings: ['completed', 'refused'], attempts: 2 },
  ),
  unattended(
    'unattended, three replicas, a deadline: the claim, a take-over, a crash',
    { claims: 1, takeOvers: 1, crashes: 1 },
    [{ await: 'skip' }, 'hold'],
    { replicas: 3 },
  ),
];
