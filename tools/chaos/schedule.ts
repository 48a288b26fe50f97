import { faultKind } from './faults.ts';
import type { FaultKind, LinkedServer, Silence } from './faults.ts';
import type { FaultMix } from './fault-mix.ts';
import { Random } from './random.ts';
import type { Phase } from './record.ts';

/** One planned fault. Times are milliseconds since the first phase began. */
export interface PlannedFault {
  id: number;
  kind: string;
  phase: 'isolated' | 'overlapping';
  atMs: number;
  durationMs: number;
  /** Which replica, from 0; for faults of a replica or of one of its links. */
  replica: number;
  /** Which etcd member, from 0. */
  member: number;
  server?: LinkedServer;
  /** For cuts: in which direction the link is silent. */
  silence?: Silence;
  /** For delays: the least delay, and by how much more it varies at most. */
  delayMs?: number;
  jitterMs?: number;
  /** For clock jumps: how far the wall clock is off. */
  jumpMs?: number;
}

/** Everything the schedule depends on. */
export interface ScheduleOptions {
  seed: number;
  /** Of all phases except settling. */
  durationMs: number;
  ttlMs: number;
  replicas: number;
  mix: FaultMix;
}

/** Every fault of a run, and the phases they belong to. */
export interface Schedule {
  phases: Phase[];
  faults: PlannedFault[];
}

/** Before each isolated fault: time for its victim to acquire instances. */
export const LEAD_MS = 1_500;
/** Between overlapping faults, on average. */
const GAP_MS = 1_150;
const ETCD_MEMBERS = 3;

/** The schedule of a run: a pure function of its options. */
export function planFaults(options: ScheduleOptions): Schedule {
  const { seed, durationMs } = options;
  const warmMs = Math.min(10_000, Math.round(durationMs * 0.1));
  const isolatedEndMs = warmMs + Math.round((durationMs - warmMs) * 0.5);
  const random = new Random(seed);
  const planner = new Planner(options, random.fork());
  const faults = [
    ...planner.isolated(warmMs, isolatedEndMs),
    ...planner.overlapping(isolatedEndMs, durationMs),
  ];
  return {
    phases: [
      { kind: 'warm_up', fromMs: 0, toMs: warmMs },
      { kind: 'isolated', fromMs: warmMs, toMs: isolatedEndMs },
      { kind: 'overlapping', fromMs: isolatedEndMs, toMs: durationMs },
    ],
    faults,
  };
}

class Planner {
  readonly #options: ScheduleOptions;
  readonly #random: Random;
  #id = 0;
  /** When the fault on a replica's process, a link or a server ends. */
  readonly #busyUntil = new Map<string, number>();

  constructor(options: ScheduleOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  /** One at a time, each kind in turn, with time for everything to heal in between. */
  isolated(fromMs: number, toMs: number): PlannedFault[] {
    const faults: PlannedFault[] = [];
    let round: string[] = [];
    // Near the end, a short fault may still fit where a long one does not.
    for (let atMs = fromMs, misses = 0; misses < 3 * this.#options.mix.length;) {
      if (round.length === 0) round = this.#round();
      const kind = faultKind(round.shift() ?? '');
      const durationMs = kind.isolatedMs(this.#random, this.#options.ttlMs);
      const fault = this.#fault(kind, 'isolated', atMs + LEAD_MS, durationMs);
      const endMs = fault.atMs + durationMs + this.#recoveryMs(kind);
      if (endMs > toMs) {
        misses += 1;
        continue;
      }
      faults.push(this.#numbered(fault));
      atMs = endMs;
    }
    return faults;
  }

  /** At random times, several at once, but never two on the same process, link or server. */
  overlapping(fromMs: number, toMs: number): PlannedFault[] {
    const { mix, ttlMs } = this.#options;
    const faults: PlannedFault[] = [];
    for (let atMs = fromMs; ;) {
      atMs += this.#random.int(GAP_MS * 0.4, GAP_MS * 1.6);
      if (atMs > toMs) return faults;
      const kind = faultKind(this.#random.weighted(mix).kind);
      const fault = this.#fault(kind, 'overlapping', atMs, kind.durationMs(this.#random, ttlMs));
      if (fault.atMs + fault.durationMs > toMs + ttlMs) continue;
      const targets = targetsOf(fault, kind, this.#options.replicas);
      if (targets.some((target) => (this.#busyUntil.get(target) ?? 0) > fault.atMs)) continue;
      const untilMs = fault.atMs + fault.durationMs + this.#recoveryMs(kind);
      for (const target of targets) this.#busyUntil.set(target, untilMs);
      faults.push(this.#numbered(fault));
    }
  }

  /** Every kind in the mix in a random order; once, or twice if it has a failover bound. */
  #round(): string[] {
    const kinds = this.#options.mix.flatMap(({ kind }) => {
      const { bound } = faultKind(kind);
      const { idle, open } = bound(this.#options.ttlMs);
      return idle === null && open === null ? [kind] : [kind, kind];
    });
    return this.#random.shuffled(kinds);
  }

  /** The time after the fault until its target works again. */
  #recoveryMs(kind: FaultKind): number {
    if (kind.target === 'all') return 6_000 + 1_000 * this.#options.replicas;
    return kind.target === 'link' ? 1_000 : 2_000;
  }

  /** Gives a fault its id. Only faults that enter the schedule get one. */
  #numbered(fault: PlannedFault): PlannedFault {
    this.#id += 1;
    return { ...fault, id: this.#id };
  }

  #fault(
    kind: FaultKind,
    phase: PlannedFault['phase'],
    atMs: number,
    durationMs: number,
  ): PlannedFault {
    const random = this.#random;
    const replica = random.int(0, this.#options.replicas - 1);
    const member = random.int(0, ETCD_MEMBERS - 1);
    const fault: PlannedFault = {
      id: 0,
      kind: kind.kind,
      phase,
      atMs,
      durationMs,
      replica,
      member,
    };
    if (kind.server !== undefined) fault.server = kind.server;
    if (kind.kind.startsWith('cut_')) {
      fault.silence = kind.kind.endsWith('_one_way')
        ? random.pick(['to_server', 'to_client'])
        : 'both';
    } else if (kind.kind.startsWith('delay_')) {
      fault.delayMs = random.int(20, 250);
      fault.jitterMs = random.int(0, fault.delayMs);
    } else if (kind.kind === 'clock_jump') {
      fault.jumpMs = random.pick([-1, 1]) * random.pick([2_000, 60_000, 3_600_000, 86_400_000]);
    }
    return fault;
  }
}

/** What a fault affects; no other fault may affect it at the same time. */
function targetsOf(fault: PlannedFault, kind: FaultKind, replicas: number): string[] {
  switch (kind.target) {
    case 'replica':
      return [`replica ${fault.replica}`];
    case 'link':
      return [`link ${fault.replica} ${kind.server ?? ''}`];
    case 'etcd':
    case 'nats':
    case 'postgres':
    case 'bus':
      return [kind.target];
    case 'all': {
      const all = Array.from({ length: replicas }, (_, index) => `replica ${index}`);
      return kind.kind === 'all_killed' ? [...all, 'etcd', 'nats', 'postgres'] : all;
    }
  }
}
