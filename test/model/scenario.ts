import type { Verdict } from '../../src/execution/row.ts';
import type { OnInterrupt } from '../../src/runbook/effect.ts';
import type { Cell, Runbook } from '../../src/runbook/runbook.ts';
import type { ClaimStatus } from './due.ts';
import type { Ending } from './endings.ts';

/** How much may go wrong in one run, at most; every order of it is tried. */
export interface Faults {
  /** A process dies; what it was sending may still arrive, or not. */
  crashes: number;
  /** A process freezes, or its keep-alives are lost, until its trust window has passed. */
  lapses: number;
  /** The answer to an append is lost: it was applied, or it is still on its way. */
  lostAnswers: number;
  /** A holder cannot be reached by the others, who may try to take over. */
  takeOvers: number;
  /**
   * A lease is released although nothing is wrong with it: idle, over the cap, or Postgres was
   * unavailable.
   */
  releases: number;
  /**
   * A process that acquires the lease has read the log before: what others have written since is
   * not in what it knows.
   */
  earlyReads: number;
  /** A process starts to drain. */
  drains: number;
  /** An effect ends without anybody knowing how: a time-out, an abort. */
  unknowns: number;
  /** A replica turns out not to be able to begin an effect, which another one may be. */
  shortages: number;
  /** Postgres refuses a write for what it holds, or for what the role may do. */
  rejections: number;
  /** A process writes a late outcome about an attempt that another one opened, as it was told. */
  hearsay: number;
  /** A person answers a doubt, or a cell that failed for good. */
  decisions: number;
  /** A person cancels the instance. */
  cancels: number;
  /** Somebody makes the claim that the await cells wait for. */
  claims: number;
}

/**
 * A cell of a small world: an exec cell by its policy, with an undo by the policy of that, or an
 * await, by what follows when its deadline has passed, without one, or only for time to pass.
 */
export type CellPlan =
  | OnInterrupt
  | { exec: OnInterrupt; undo: OnInterrupt }
  | { await: 'halt' | 'skip' | 'no deadline' | 'pause' };

/** One small world to search. */
export interface Scenario {
  name: string;
  replicas: 2 | 3;
  /** The runbook's cells, in order. */
  cells: readonly CellPlan[];
  /** What the runbook does when a cell has failed for good. */
  onHalt: 'hold' | 'undo';
  /** How many advance requests there are; each is asked again until it has its receipt. */
  requests: 0 | 1 | 2;
  /** Whether the instance goes on by itself. */
  unattended: boolean;
  /** How an effect may end, apart from the endings that are faults. */
  endings: readonly Exclude<Ending, 'unknown' | 'wrongReplica'>[];
  /** How many attempts the cells' `retry` allows. */
  attempts: number;
  /** Whether an adversary is on the bus, who says anything, as often as it likes. */
  hostile: boolean;
  /** What a person may answer. */
  verdicts: readonly Verdict[];
  /** The statuses of the claim's revisions, in order; `open` is the one that is wanted. */
  claimed: readonly ClaimStatus[];
  /** What a person who cancels may ask for: that what was done is undone, or not. */
  cancelsWithUndo: readonly boolean[];
  faults: Faults;
}

const NO_FAULTS: Faults = {
  crashes: 0,
  lapses: 0,
  lostAnswers: 0,
  takeOvers: 0,
  releases: 0,
  earlyReads: 0,
  drains: 0,
  unknowns: 0,
  shortages: 0,
  rejections: 0,
  hearsay: 0,
  decisions: 0,
  cancels: 0,
  claims: 0,
};

/** A scenario of two replicas, one `hold` cell and one request, with what is given in its place. */
export function scenario(
  name: string,
  faults: Partial<Faults>,
  rest: Partial<Omit<Scenario, 'name' | 'faults'>> = {},
): Scenario {
  return {
    name,
    replicas: 2,
    cells: ['hold'],
    onHalt: 'hold',
    requests: 1,
    unattended: false,
    endings: ['completed'],
    attempts: 1,
    hostile: false,
    verdicts: ['rerun', 'succeeded'],
    claimed: ['open'],
    cancelsWithUndo: [false],
    ...rest,
    faults: { ...NO_FAULTS, ...faults },
  };
}

/** An effect that may be refused, and is then tried once more. */
export const RETRIED = { endings: ['completed', 'refused'], attempts: 2 } as const;

/** The scenario's runbook, for the real planning rules. */
export function runbookOf({ cells, attempts, onHalt }: Scenario): Runbook {
  return {
    runbook: 'model',
    version: 1,
    onHalt,
    inputs: [],
    cells: cells.map((plan, index) => cellOf(plan, 'xyz'.charAt(index), attempts)),
  };
}

function cellOf(plan: CellPlan, id: string, attempts: number): Cell {
  if (typeof plan === 'object' && 'await' in plan) {
    const otherwise = plan.await;
    if (otherwise === 'pause') return { id, await: { for: '1m' } };
    if (otherwise === 'no deadline') return { id, await: { claim: 'gate', statuses: ['open'] } };
    return { id, await: { claim: 'gate', statuses: ['open'], within: '1m', otherwise } };
  }
  const { exec, undo } = typeof plan === 'object' ? plan : { exec: plan, undo: undefined };
  return {
    id,
    exec: { handler: 'effect' },
    ...policyOf(exec),
    ...(attempts > 1 ? { retry: { attempts } } : {}),
    ...(undo === undefined ? {} : { undo: { exec: { handler: 'undo' }, ...policyOf(undo) } }),
  };
}

function policyOf(onInterrupt: OnInterrupt) {
  return { onInterrupt, ...(onInterrupt === 'probe' ? { probe: { handler: 'probe' } } : {}) };
}
