import type { ExecCell, OnInterrupt, Runbook } from '../../src/runbook/runbook.ts';

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
  /** A process starts to drain. */
  drains: number;
  /** An effect ends without anybody knowing how: a time-out, an abort. */
  unknowns: number;
  /** A person answers a doubt. */
  decisions: number;
}

/** One small world to search. */
export interface Scenario {
  name: string;
  replicas: 2 | 3;
  /** The policies of the runbook's exec cells, in order. */
  cells: readonly OnInterrupt[];
  /** How many advance requests there are; each is asked again until it has its receipt. */
  requests: 1 | 2;
  /** Whether an effect may also end in a definite failure; it is then tried once more. */
  failures: boolean;
  faults: Faults;
}

const NO_FAULTS: Faults = {
  crashes: 0,
  lapses: 0,
  lostAnswers: 0,
  takeOvers: 0,
  releases: 0,
  drains: 0,
  unknowns: 0,
  decisions: 0,
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
    requests: 1,
    failures: false,
    ...rest,
    faults: { ...NO_FAULTS, ...faults },
  };
}

/** The scenario's runbook, for the real planning rules. */
export function runbookOf({ cells, failures }: Scenario): Runbook {
  return {
    runbook: 'model',
    version: 1,
    inputs: [],
    cells: cells.map((onInterrupt, index): ExecCell => ({
      id: 'xyz'.charAt(index),
      exec: { handler: 'effect' },
      onInterrupt,
      ...(onInterrupt === 'probe' ? { probe: { handler: 'probe' } } : {}),
      ...(failures ? { retry: { attempts: 2 } } : {}),
    })),
  };
}
