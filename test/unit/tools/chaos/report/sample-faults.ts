import type { FaultRecord, Phase, ReplicaProcess } from '../../../../../tools/chaos/record.ts';
import type { SeededRandom } from './seeded-random.ts';

/** The size of the run that the sample stands for. */
export interface SampleSize {
  seed: number;
  durationMs: number;
  replicas: number;
  instances: number;
  faults: number;
}

export const LEASE_TTL_MS = 2000;
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

export const KINDS: readonly Kind[] = [
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

export const BOUNDS_MS: Readonly<Record<string, [idle: number, open: number]>> = {
  sigkill: [500, LEASE_TTL_MS + 1000],
  sigstop: [500, LEASE_TTL_MS + 1000],
  sigterm: [100, 8000],
  rolling_restart: [100, 8000],
  cut_etcd: [LEASE_TTL_MS + 1000, LEASE_TTL_MS + 1000],
  cut_etcd_one_way: [LEASE_TTL_MS + 1000, LEASE_TTL_MS + 1000],
  cut_nats: [500, LEASE_TTL_MS + 1000],
  cut_postgres: [2000, 2000],
};

export function sampleFaults(
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

export function sampleProcesses(
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

export function hex(random: SeededRandom): string {
  return random.whole(0, 0xffffffff).toString(16).padStart(8, '0');
}
