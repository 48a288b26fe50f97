import type { LoopResult } from './closed-loop.ts';

/** What bench needs of the rooms that it does not know: the command line hands it in. */
export interface BenchPorts {
  /** Makes the schema in an empty database. @returns the application's URL */
  migrate(superuserUrl: string, namespace: string): Promise<string>;
  /** Checks and stores runbooks, as `runbook push` would. */
  pushRunbooks(databaseUrl: string, namespace: string, documents: readonly object[]): Promise<void>;
  /** What Node is given to run the process that serves {@link BaselineOrders}. */
  baselinesArgv: readonly string[];
}

/** What the baselines' process does when it is told to. */
export type BaselineOrders = {
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
    durationMs: number;
  }): Promise<LoopResult>;
};

/** The baselines; what each does, statement for statement, is told in `docs/bench.md`. */
export const BASELINES = ['floor', 'advisory_lock', 'reservation'] as const;
/** See {@link BASELINES}. */
export type BaselineSubject = (typeof BASELINES)[number];
