import type { BaselineName } from './baselines/baseline.ts';
import type { LoopResult } from './closed-loop.ts';
import type { LoadPoint, LoadTarget } from './load-jobs.ts';

/** Which requests to answer, and from where. */
export interface RoutedFloor {
  /** Where the baselines' tables are. */
  url: string;
  target: LoadTarget;
  /** How many agents send requests, each for the instance that `openBaseline` names. */
  agents: number;
  prefix: string;
}

/** One measurement of a baseline. */
export interface BaselinePoint extends LoadPoint {
  /** Where the baselines' tables are. */
  url: string;
  baseline: BaselineName;
}

/** The jobs of the baselines' process. */
export type BaselineJobs = {
  /** Creates the tables. */
  prepare(input: { url: string }): Promise<void>;
  measure(input: BaselinePoint): Promise<LoopResult>;
  /** Answers every advance of these instances, each after the floor's two commits. */
  answer(input: RoutedFloor): Promise<void>;
  stopAnswering(input: null): Promise<void>;
};
