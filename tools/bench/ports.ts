import type { LoopResult } from './closed-loop.ts';
import type { LoadTarget } from './load-orders.ts';

/** What bench needs of the rooms that it does not know: the command line hands it in. */
export interface BenchPorts {
  /** Makes the schema in an empty database. @returns the application's URL */
  migrate(superuserUrl: string, namespace: string): Promise<string>;
  /** Checks and stores runbooks, as `runbook push` would. */
  pushRunbooks(databaseUrl: string, namespace: string, documents: readonly object[]): Promise<void>;
  /** What Node is given to run the process that serves {@link BaselineOrders}. */
  baselinesArgv: readonly string[];
  /** The same for {@link LeaseOrders}. */
  leasesArgv: readonly string[];
  /**
   * Fills an empty log with instances that stand in the middle of their runbook: rows, receipts and
   * projection.
   *
   * @param told hears how many rows are there
   */
  fillLog(superuserUrl: string, fill: LogFill, told: (rows: number) => void): Promise<void>;
  /** The reads that must stay fast however long the log is. */
  openReads(databaseUrl: string, namespace: string): Promise<LogReads>;
}

/** What a log is filled with. */
export interface LogFill {
  /** How many rows, about. */
  rows: number;
  runbookId: string;
  /** In front of the instances' ids, which go on with a number from 0. */
  prefix: string;
  /** Of every instance: two for each cell that it has done. */
  rowsPerInstance: number;
}

/** Reads of the log. */
export interface LogReads {
  /** A page of the list, from a place in it. */
  list(after: string): Promise<unknown>;
  /** What the sweeper asks every two seconds. */
  sweep(): Promise<unknown>;
  close(): Promise<void>;
}

/** What the process with a coordinator does when it is told to. */
export type LeaseOrders = {
  open(given: {
    etcdUrl: string;
    namespace: string;
    replicaId: string;
    ttlS: number;
    maxHoldings: number;
  }): Promise<void>;
  /** Acquires instances by name, so many at once. */
  acquire(given: { prefix: string; count: number; atOnce: number }): Promise<LoopResult>;
  /** The heap after a collection, and how many instances are held. */
  heap(given: null): Promise<{ usedBytes: number; held: number }>;
  /** How often the session is renewed in a stretch of time. */
  renewals(given: { durationMs: number }): Promise<number>;
  /** Gives back one by one all that is held, in batches. */
  releaseAll(given: null): Promise<{ elapsedMs: number; held: number }>;
  /** Gives back everything by ending the session. */
  stop(given: null): Promise<{ elapsedMs: number }>;
};

/** What the baselines' process does when it is told to. */
export type BaselineOrders = {
  /**
   * From here on every advance of these instances in this namespace is answered after the floor's
   * two commits.
   */
  answer(given: {
    url: string;
    target: LoadTarget;
    /** How many agents will ask, each about the instance that `openBaseline` names. */
    agents: number;
    prefix: string;
  }): Promise<void>;
  stopAnswering(given: null): Promise<void>;
  /** Makes the tables. */
  prepare(given: { url: string }): Promise<void>;
  measure(given: {
    url: string;
    /** One of the names in {@link BASELINES}. */
    baseline: BaselineSubject;
    agents: number;
    /** In front of the ids of this measuring's instances; never used twice. */
    prefix: string;
    warmUpMs: number;
    /** How long the loop that is measured runs before it is. */
    leadInMs: number;
    durationMs: number;
  }): Promise<LoopResult>;
};

/** The baselines; what each does, statement for statement, is told in `docs/bench.md`. */
export const BASELINES = ['floor', 'advisory_lock', 'reservation'] as const;
/** See {@link BASELINES}. */
export type BaselineSubject = (typeof BASELINES)[number];
