import type { HostileCounts } from './hostile/hostile.ts';

/**
 * The result of a chaos run: everything that the verdict is based on and the report shows, written
 * as one JSON file next to the report. Times are milliseconds since the run began, by the chaos
 * command's monotonic clock, unless a field says otherwise.
 */
export interface ChaosRecord {
  /** Version of this shape. */
  format: 1;
  seed: number;
  /** The command that repeats the run. */
  command: string;
  /** ISO 8601, when the run began. */
  startedAt: string;
  durationMs: number;
  leaseTtlMs: number;
  versions: { leasehold: string; node: string; etcd: string; nats: string; postgres: string };
  phases: Phase[];
  replicas: ReplicaProcess[];
  faults: FaultRecord[];
  failovers: Failover[];
  counts: Counts;
  /**
   * By verb: `start`, `status`, and `advance` without `wait`. Records of older versions have none.
   */
  latencies?: { [verb: string]: Latency };
  hostile?: HostileRecord;
  /** How many characters were searched for the secret that effects print, by place. */
  searched?: { [place: string]: number };
  /** Selected instances: first those that failovers were measured on, then others. */
  instances: InstanceTimeline[];
  refusals: {
    atMs: number;
    instanceId: string;
    seq: number;
    fencingToken: number;
    replicaId: string;
    kind: string;
    reason: string;
  }[];
  lateOutcomes: {
    atMs: number;
    instanceId: string;
    cellId: string;
    attempt: number;
    fencingToken: number;
    replicaId: string;
    kind: string;
  }[];
  checks: CheckResult[];
  breaches: BreachRecord[];
  /** Findings that may be correct behaviour, or break no guarantee; they do not fail the run. */
  warnings?: BreachRecord[];
  verdict: 'passed' | 'breached' | 'stuck' | 'broken_off';
}

/**
 * In an `isolated` phase faults are made one at a time, so that failover times are not disturbed by
 * other faults. In an `overlapping` phase several may be active at once. `settling` follows the
 * last fault: every instance is driven to its end.
 */
export interface Phase {
  kind: 'warm_up' | 'isolated' | 'overlapping' | 'settling';
  fromMs: number;
  toMs: number;
}

/** One replica process. */
export interface ReplicaProcess {
  replicaId: string;
  name: string;
  pid: number;
  fromMs: number;
  toMs: number | null;
  end: 'killed' | 'drained' | 'running' | 'crashed';
}

/** One fault that was made, or one that could not be made. */
export interface FaultRecord {
  id: number;
  /**
   * Such as `sigkill`, `sigstop`, `sigterm`, `cut_etcd`, `cut_nats_one_way`, `delay_postgres`,
   * `etcd_leader_killed`, `all_killed`.
   */
  kind: string;
  /** What it affected: a replica, a link such as `r1 ↔ etcd`, a server, or `all`. */
  target: string;
  phase: Phase['kind'];
  fromMs: number;
  toMs: number;
  /** Why it could not be made; a skipped fault is not counted. */
  skipped?: string;
}

/** How long an instance was not served because of an isolated fault. */
export interface Failover {
  faultId: number;
  kind: string;
  instanceId: string;
  /** Whether an attempt was open when the fault began. */
  attemptOpen: boolean;
  /** From the fault to the first receipt or row under a later term. */
  ms: number;
  /** The promised bound for this kind, if there is one. */
  boundMs: number | null;
}

/** A run's totals. */
export interface Counts {
  requests: number;
  acknowledged: number;
  unanswered: number;
  byOutcome: { [outcome: string]: number };
  effects: number;
  rows: number;
  instances: number;
  stuck: number;
  decisions: number;
  /** Records of older versions have none. */
  cancels?: number;
}

/** How long honest agents waited for answers, in milliseconds. */
export interface Latency {
  count: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

/** What hostile clients did; see `hostile/hostile.ts`. */
export interface HostileRecord extends HostileCounts {
  /** Messages a second that were asked for throughout; null where only faults brought clients. */
  rate: number | null;
}

/** What happened to one instance during the run. */
export interface InstanceTimeline {
  instanceId: string;
  terms: { replicaId: string; fencingToken: number; fromMs: number; toMs: number }[];
  attempts: {
    cellId: string;
    attempt: number;
    replicaId: string;
    fencingToken: number;
    fromMs: number;
    toMs: number | null;
    end: string;
  }[];
  marks: {
    atMs: number;
    what: 'receipt' | 'refused_write' | 'doubt' | 'decision' | 'late_outcome' | 'parked' | 'cancel';
    text: string;
  }[];
}

/** The result of one check over the whole run. */
export interface CheckResult {
  name: string;
  guarantee: number;
  /** How many instances it checked; null if it could not check any, with the reason in `why`. */
  checked: number | null;
  breaches: number;
  why?: string;
  /** How many things it examined in them, such as 1,200 effects. */
  looked?: { at: string; count: number };
}

/** One breach, with the rows that show it. */
export interface BreachRecord {
  check: string;
  guarantee: number;
  instanceId: string;
  seqs: number[];
  what: string;
}
