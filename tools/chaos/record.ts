/**
 * What a chaos run leaves behind: everything that the verdict rests on and the report shows. It is
 * written as one JSON file beside the report. Times are milliseconds since the run began, by the
 * chaos command's own monotonic clock, unless a field says otherwise.
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
  replicas: ReplicaLife[];
  faults: FaultRecord[];
  failovers: Failover[];
  counts: Counts;
  /** Instances worth showing: those that faults hit first, then others, up to a bound. */
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
  /** What may be in order, or harms no guarantee; fails nothing. */
  warnings?: BreachRecord[];
  verdict: 'passed' | 'breached' | 'stuck' | 'broken_off';
}

/**
 * In `isolated` phases faults come one by one, so that failover times are clean; in `overlapping`
 * ones they do not.
 */
export interface Phase {
  kind: 'warm_up' | 'isolated' | 'overlapping' | 'settling';
  fromMs: number;
  toMs: number;
}

/** One replica process. */
export interface ReplicaLife {
  replicaId: string;
  name: string;
  pid: number;
  fromMs: number;
  toMs: number | null;
  end: 'killed' | 'drained' | 'running' | 'crashed';
}

/** One injected fault, or one that this machine cannot make. */
export interface FaultRecord {
  id: number;
  /**
   * Such as `sigkill`, `sigstop`, `sigterm`, `cut_etcd`, `cut_nats_one_way`, `delay_postgres`,
   * `etcd_leader_killed`, `all_killed`.
   */
  kind: string;
  /** A replica's or a server's name; `all`. */
  target: string;
  phase: Phase['kind'];
  fromMs: number;
  toMs: number;
  /** Why it could not be made; a skipped fault counts as nothing. */
  skipped?: string;
}

/** How long an instance went unserved because of an isolated fault. */
export interface Failover {
  faultId: number;
  kind: string;
  instanceId: string;
  /** Whether an attempt was open when the fault struck. */
  attemptOpen: boolean;
  /** From the fault to the first receipt or row under a later term. */
  ms: number;
  /** The bound that is promised for this kind, if one is. */
  boundMs: number | null;
}

/** Totals of a run. */
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
}

/** One instance over the run. */
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
    what: 'receipt' | 'refused_write' | 'doubt' | 'decision' | 'late_outcome' | 'parked';
    text: string;
  }[];
}

/** One named check over the whole run. */
export interface CheckResult {
  name: string;
  guarantee: number;
  /** How many instances it looked at; null: it could not be checked, with why. */
  checked: number | null;
  breaches: number;
  why?: string;
  /** What it counted in them, such as 1,200 effects. */
  looked?: { at: string; count: number };
}

/** One breach, with where to look. */
export interface BreachRecord {
  check: string;
  guarantee: number;
  instanceId: string;
  seqs: number[];
  what: string;
}
