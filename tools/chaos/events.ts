import type { CheckResult, Counts, Failover, FaultRecord, Phase } from './record.ts';

/** What a run reports while it is going on; with `--json`, one line each. */
export type ChaosEvent =
  /** For people: what is happening now. */
  | { kind: 'note'; text: string }
  | { kind: 'phase'; phase: Phase['kind']; atMs: number; faults: number }
  | { kind: 'fault'; state: 'struck' | 'over' | 'skipped'; fault: FaultRecord }
  | { kind: 'tick'; phase: Phase['kind']; atMs: number; totalMs: number; counts: RunningCounts }
  | { kind: 'settling'; left: number }
  | { kind: 'checking'; instances: number; of: number }
  | { kind: 'failover'; failover: Failover }
  | { kind: 'check'; check: CheckResult };

/** Counts that are known while a run is going on. */
export interface RunningCounts extends Pick<
  Counts,
  'requests' | 'acknowledged' | 'unanswered' | 'decisions'
> {
  faults: number;
  skipped: number;
  instances: number;
  underWay: number;
  /** Faults that are active now, such as `sigstop r2`. */
  active: string[];
}
