import type {
  ChaosRecord,
  CheckResult,
  Failover,
  FaultRecord,
  InstanceTimeline,
  Phase,
  ReplicaProcess,
} from '../../../../../tools/chaos/record.ts';
import { SeededRandom } from './seeded-random.ts';

/** The size of the run that the sample stands for. */
export interface SampleSize {
  seed: number;
  durationMs: number;
  replicas: number;
  instances: number;
  faults: number;
}

const TEN_MINUTES: SampleSize = {
  seed: 4711,
  durationMs: 600_000,
  replicas: 5,
  instances: 60,
  faults: 300,
};
const LEASE_TTL_MS = 2000;
const SERVERS = ['etcd-1', 'etcd-2', 'etcd-3', 'nats', 'postgres'];

/** A kind of fault: how long it lasts, and how long an instance then waits for another holder. */
interface Kind {
  kind: string;
  on: 'replica' | 'server' | 'all';
  servers?: string[];
  lastsMs: [number, number];
  idleMs?: [number, number];
  openMs?: [number, number];
  ends?: 'killed' | 'drained';
}

const KINDS: readonly Kind[] = [
  {
    kind: 'sigkill',
    on: 'replica',
    lastsMs: [600, 1500],
    idleMs: [40, 390],
    openMs: [1900, 2800],
    ends: 'killed',
  },
  {
    kind: 'sigstop',
    on: 'replica',
    lastsMs: [2600, 4500],
    idleMs: [330, 480],
    openMs: [2100, 2900],
  },
  {
    kind: 'sigterm',
    on: 'replica',
    lastsMs: [300, 900],
    idleMs: [6, 85],
    openMs: [15, 700],
    ends: 'drained',
  },
  { kind: 'rolling_restart', on: 'replica', lastsMs: [300, 900], idleMs: [6, 90], ends: 'drained' },
  {
    kind: 'cut_etcd',
    on: 'replica',
    lastsMs: [2500, 5000],
    openMs: [2000, 2900],
    idleMs: [2000, 2950],
  },
  { kind: 'cut_etcd_one_way', on: 'replica', lastsMs: [2500, 5000], openMs: [2100, 2950] },
  { kind: 'cut_nats', on: 'replica', lastsMs: [1500, 4000], idleMs: [60, 460] },
  { kind: 'cut_postgres', on: 'replica', lastsMs: [2000, 4000], idleMs: [1200, 2080] },
  { kind: 'delay_postgres', on: 'replica', lastsMs: [1000, 3000] },
  { kind: 'delay_etcd', on: 'replica', lastsMs: [1000, 3000] },
  { kind: 'clock_jump', on: 'replica', lastsMs: [0, 0] },
  { kind: 'etcd_member_killed', on: 'server', servers: SERVERS.slice(0, 3), lastsMs: [2000, 5000] },
  { kind: 'etcd_leader_killed', on: 'server', servers: SERVERS.slice(0, 3), lastsMs: [2000, 5000] },
  { kind: 'nats_restarted', on: 'server', servers: ['nats'], lastsMs: [400, 1200] },
  { kind: 'postgres_restarted', on: 'server', servers: ['postgres'], lastsMs: [700, 2000] },
  { kind: 'postgres_killed', on: 'server', servers: ['postgres'], lastsMs: [900, 2500] },
  { kind: 'all_killed', on: 'all', lastsMs: [3000, 5000] },
];

const BOUNDS_MS: Readonly<Record<string, [idle: number, open: number]>> = {
  sigkill: [500, LEASE_TTL_MS + 1000],
  sigstop: [500, LEASE_TTL_MS + 1000],
  sigterm: [100, 8000],
  rolling_restart: [100, 8000],
  cut_etcd: [LEASE_TTL_MS + 1000, LEASE_TTL_MS + 1000],
  cut_etcd_one_way: [LEASE_TTL_MS + 1000, LEASE_TTL_MS + 1000],
  cut_nats: [500, LEASE_TTL_MS + 1000],
  cut_postgres: [2000, 2000],
};

/** An invented record, such as that of a ten-minute run; the same for the same size. */
export function sampleRecord(size: Partial<SampleSize> = {}): ChaosRecord {
  const whole = { ...TEN_MINUTES, ...size };
  const random = new SeededRandom(whole.seed);
  const phases = samplePhases(whole.durationMs);
  const faults = sampleFaults(random, whole, phases);
  const replicas = sampleProcesses(random, whole, faults);
  const failovers: Failover[] = [];
  const instances = Array.from({ length: whole.instances }, (_, index) =>
    sampleInstance(random, whole, index, replicas, faults, failovers),
  );
  const marks = instances.flatMap(({ instanceId, marks: own }) =>
    own.map((mark) => ({ ...mark, instanceId })),
  );
  const acknowledged = Math.round(whole.durationMs / 26);
  return {
    format: 1,
    seed: whole.seed,
    command: `leasehold chaos --seed ${whole.seed} --duration ${whole.durationMs / 1000}s --lease-ttl 2 --replicas ${whole.replicas} --agents 16`,
    startedAt: '2025-11-22T09:14:03.120Z',
    durationMs: whole.durationMs,
    leaseTtlMs: LEASE_TTL_MS,
    versions: {
      leasehold: '0.1.0',
      node: '20.20.0',
      etcd: '3.5.30',
      nats: '2.15.1',
      postgres: '15.18',
    },
    phases,
    replicas,
    faults,
    failovers,
    counts: {
      requests: acknowledged + 190,
      acknowledged,
      unanswered: 44,
      byOutcome: {
        completed: Math.round(acknowledged * 0.61),
        advanced: Math.round(acknowledged * 0.24),
        parked: Math.round(acknowledged * 0.13),
        in_flight: 96,
        halted: Math.round(acknowledged * 0.01),
        in_doubt: 61,
        unavailable: 50,
      },
      effects: Math.round(acknowledged * 1.4),
      rows: Math.round(acknowledged * 3.1),
      instances: Math.round(acknowledged / 5),
      stuck: 0,
      decisions: marks.filter(({ what }) => what === 'decision').length,
    },
    instances,
    refusals: marks
      .filter(({ what }) => what === 'refused_write')
      .map(({ atMs, instanceId }, index) => ({
        atMs,
        instanceId,
        seq: 3 + (index % 7),
        fencingToken: 5100 + index,
        replicaId: `r${1 + (index % whole.replicas)}-${hex(random)}`,
        kind: 'completed',
        reason: 'stale token: the log has moved on',
      })),
    lateOutcomes: marks
      .filter(({ what }) => what === 'late_outcome')
      .map(({ atMs, instanceId }, index) => ({
        atMs,
        instanceId,
        cellId: 'charge',
        attempt: 1 + (index % 2),
        fencingToken: 5100 + index,
        replicaId: `r${1 + (index % whole.replicas)}-${hex(random)}`,
        kind: 'completed',
      })),
    checks: sampleChecks(Math.round(acknowledged / 5)),
    breaches: [],
    verdict: 'passed',
  };
}

/** The same run with two breaches in it. */
export function breachedRecord(size: Partial<SampleSize> = {}): ChaosRecord {
  const record = sampleRecord(size);
  const instanceId = record.instances[2]?.instanceId ?? 'refund-2';
  return {
    ...record,
    verdict: 'breached',
    checks: record.checks.map((check) =>
      check.name === 'effect_once_per_attempt' ? { ...check, breaches: 2 } : check,
    ),
    breaches: [
      {
        check: 'effect_once_per_attempt',
        guarantee: 3,
        instanceId,
        seqs: [4, 5],
        what: 'The witness saw the effect of charge, attempt 1, twice: under token 5127 and again under token 5139.',
      },
      {
        check: 'effect_once_per_attempt',
        guarantee: 3,
        instanceId: 'refund-not-among-those-shown',
        seqs: [9],
        what: 'The witness saw the effect of notify, attempt 2, twice under token 6210.',
      },
    ],
  };
}

function samplePhases(durationMs: number): Phase[] {
  const shares: [Phase['kind'], number][] = [
    ['warm_up', 0.03],
    ['isolated', 0.45],
    ['overlapping', 0.92],
    ['settling', 1],
  ];
  return shares.map(([kind, to], index) => ({
    kind,
    fromMs: (shares[index - 1]?.[1] ?? 0) * durationMs,
    toMs: to * durationMs,
  }));
}

function sampleFaults(
  random: SeededRandom,
  size: SampleSize,
  phases: readonly Phase[],
): FaultRecord[] {
  const made = Array.from({ length: size.faults }, (_, index): FaultRecord => {
    const fromMs =
      size.durationMs * (0.035 + (0.88 * (index + random.next() * 0.5)) / Math.max(1, size.faults));
    const { kind, on, servers, lastsMs } = random.pick(KINDS);
    const phase = phases.find(({ toMs }) => fromMs < toMs)?.kind ?? 'settling';
    const target =
      on === 'all'
        ? 'all'
        : on === 'server'
          ? random.pick(servers ?? SERVERS)
          : `r${random.whole(1, size.replicas)}`;
    return {
      id: index + 1,
      kind,
      target,
      phase,
      fromMs,
      toMs: fromMs + random.between(...lastsMs),
    };
  });
  const skipped = ['etcd', 'nats', 'postgres'].map((server, index): FaultRecord => {
    const why = 'network namespaces need root, and this run has none';
    return {
      id: size.faults + index + 1,
      kind: `drop_${server}`,
      target: 'r1',
      phase: 'isolated',
      fromMs: 0,
      toMs: 0,
      skipped: why,
    };
  });
  return size.faults === 0 ? [] : [...made, ...skipped];
}

function sampleProcesses(
  random: SeededRandom,
  size: SampleSize,
  faults: readonly FaultRecord[],
): ReplicaProcess[] {
  return Array.from({ length: size.replicas }, (_, index) => `r${index + 1}`).flatMap((name) => {
    const processes: ReplicaProcess[] = [];
    let fromMs = random.between(200, 900);
    const add = (toMs: number | null, end: ReplicaProcess['end']): void => {
      processes.push({
        replicaId: `${name}-${hex(random)}`,
        name,
        pid: random.whole(4000, 32_000),
        fromMs,
        toMs,
        end,
      });
    };
    for (const fault of faults.filter(({ target }) => target === name || target === 'all')) {
      const end =
        KINDS.find(({ kind }) => kind === fault.kind)?.ends ??
        (fault.target === 'all' ? 'killed' : undefined);
      if (end === undefined || fault.skipped !== undefined || fault.fromMs <= fromMs) continue;
      add(fault.fromMs, end);
      fromMs = Math.max(fault.toMs, fault.fromMs + 500);
    }
    add(null, 'running');
    return processes;
  });
}

function sampleInstance(
  random: SeededRandom,
  size: SampleSize,
  index: number,
  replicas: readonly ReplicaProcess[],
  faults: readonly FaultRecord[],
  failovers: Failover[],
): InstanceTimeline {
  const instance: InstanceTimeline = {
    instanceId: `refund-${String(1000 + index * 37)}`,
    terms: [],
    attempts: [],
    marks: [],
  };
  const endMs = size.durationMs * 0.97;
  let nowMs = size.durationMs * (0.02 + 0.6 * random.next());
  const instanceEndsMs = Math.min(endMs, nowMs + random.between(15_000, 140_000));
  let token = 800 + Math.round(nowMs / 12);
  const cells = ['reserve', 'charge', 'notify', 'settle'];
  let cell = 0;
  while (nowMs < instanceEndsMs) {
    const alive = replicas.filter(
      ({ fromMs, toMs }) => fromMs <= nowMs && (toMs ?? endMs) > nowMs + 50,
    );
    if (alive.length === 0) {
      nowMs += 500;
      continue;
    }
    const holder = random.pick(alive);
    token += random.whole(3, 400);
    const fault = faults.find(
      ({ fromMs, target, kind, skipped }) =>
        skipped === undefined &&
        fromMs > nowMs &&
        target === holder.name &&
        BOUNDS_MS[kind] !== undefined,
    );
    const termEndsMs = Math.min(
      fault?.fromMs ?? instanceEndsMs,
      nowMs + random.between(4000, 40_000),
      instanceEndsMs,
    );
    const term = {
      replicaId: holder.replicaId,
      fencingToken: token,
      fromMs: nowMs,
      toMs: termEndsMs,
    };
    instance.terms.push(term);
    let atMs = nowMs + random.between(5, 200);
    let open: InstanceTimeline['attempts'][number] | undefined;
    while (atMs < termEndsMs) {
      const lasts = random.chance(0.15) ? random.between(800, 4000) : random.between(30, 500);
      const attempt = {
        cellId: cells[cell % 4] ?? 'reserve',
        attempt: 1,
        replicaId: holder.replicaId,
        fencingToken: token,
      };
      if (atMs + lasts < termEndsMs) {
        const end = random.chance(0.05) ? 'failed' : 'completed';
        instance.attempts.push({ ...attempt, fromMs: atMs, toMs: atMs + lasts, end });
        instance.marks.push({
          atMs: atMs + lasts + 3,
          what: 'receipt',
          text: random.chance(0.3) ? 'completed' : 'advanced',
        });
        if (random.chance(0.06))
          instance.marks.push({ atMs: atMs + lasts + 40, what: 'parked', text: 'awaits approval' });
        cell += 1;
      } else if (fault !== undefined && termEndsMs === fault.fromMs) {
        open = { ...attempt, fromMs: atMs, toMs: null, end: 'open' };
      }
      atMs += lasts + random.between(300, 4500);
    }
    if (fault !== undefined && termEndsMs === fault.fromMs) {
      const kind = KINDS.find((candidate) => candidate.kind === fault.kind);
      const attemptOpen = open !== undefined && kind?.openMs !== undefined;
      const gap = (attemptOpen ? kind?.openMs : kind?.idleMs) ?? [200, 900];
      const ms = random.skewed(...gap);
      if (fault.phase === 'isolated') {
        const boundMs = BOUNDS_MS[fault.kind]?.[attemptOpen ? 1 : 0] ?? null;
        failovers.push({
          faultId: fault.id,
          kind: fault.kind,
          instanceId: instance.instanceId,
          attemptOpen,
          ms,
          boundMs,
        });
      }
      nowMs = fault.fromMs + ms;
      if (open !== undefined) {
        instance.attempts.push({ ...open, toMs: nowMs, end: 'interrupted: crash' });
        addMarks(random, instance, nowMs, fault.kind, open.cellId);
      }
    } else {
      nowMs = termEndsMs + random.between(500, 6000);
    }
  }
  return instance;
}

function addMarks(
  random: SeededRandom,
  instance: InstanceTimeline,
  atMs: number,
  faultKind: string,
  cellId: string,
): void {
  if (faultKind === 'sigstop' || faultKind.startsWith('cut_etcd')) {
    instance.marks.push(
      { atMs: atMs + 900, what: 'refused_write', text: `completed of ${cellId}: stale token` },
      { atMs: atMs + 920, what: 'late_outcome', text: `completed of ${cellId}, attempt 1` },
    );
  }
  if (random.chance(0.5)) return;
  instance.marks.push(
    { atMs: atMs + 5, what: 'doubt', text: `${cellId}, attempt 1: crash` },
    {
      atMs: atMs + random.between(1200, 5000),
      what: 'decision',
      text: `${cellId}, attempt 1: rerun, by chaos-agent`,
    },
  );
}

function sampleChecks(instances: number): CheckResult[] {
  const names: [guarantee: number, ...names: string[]][] = [
    [1, 'effect_has_intent', 'one_open_attempt'],
    [2, 'tokens_never_decrease', 'rows_chain_without_gap'],
    [3, 'effect_once_per_attempt', 'rerun_only_when_allowed', 'decision_names_its_attempt'],
    [4, 'no_instance_stuck', 'doubt_says_so'],
    [5, 'one_receipt_per_request', 'same_receipt_when_asked_again', 'receipt_rests_on_rows'],
    [6, 'late_outcome_kept', 'refusal_recorded'],
    [7, 'clock_jump_moves_no_term'],
  ];
  return names.flatMap(([guarantee, ...own]) =>
    own.map((name) =>
      name === 'clock_jump_moves_no_term'
        ? {
            name,
            guarantee,
            checked: null,
            breaches: 0,
            why: 'libfaketime is not installed, so no clock was moved',
          }
        : { name, guarantee, checked: instances, breaches: 0 },
    ),
  );
}

function hex(random: SeededRandom): string {
  return random.whole(0, 0xffffffff).toString(16).padStart(8, '0');
}
