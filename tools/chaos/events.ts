import type { CheckResult, Counts, Failover, FaultRecord, Phase } from './record.ts';

/** What a run tells while it goes on: one line each with `--json`. */
export type ChaosEvent =
  /** For people: what is being done. */
  | { kind: 'note'; text: string }
  | { kind: 'phase'; phase: Phase['kind']; atMs: number; faults: number }
  | { kind: 'fault'; state: 'struck' | 'over' | 'skipped'; fault: FaultRecord }
  | { kind: 'tick'; phase: Phase['kind']; atMs: number; totalMs: number; counts: Tally }
  | { kind: 'settling'; left: number }
  | { kind: 'checking'; instances: number; of: number }
  | { kind: 'failover'; failover: Failover }
  | { kind: 'check'; check: CheckResult };

/** What can be counted while it goes on. */
export interface Tally extends Pick<
  Counts,
  'requests' | 'acknowledged' | 'unanswered' | 'decisions'
> {
  faults: number;
  skipped: number;
  instances: number;
  underWay: number;
  /** Faults that are on just now, such as `sigstop r2`. */
  active: string[];
}
