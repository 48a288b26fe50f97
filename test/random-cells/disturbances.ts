import type { Random } from '../../tools/chaos/random.ts';
import { STORMS } from './random-cell.ts';
import { Replica, type Reached, type ReplicasOptions } from './replicas.ts';

/** How often each disturbance was made. */
export type Disturbances = Record<string, number>;

/** The failpoints of a replica through whose shortcomings nothing may fail. */
const CALM_FAILPOINTS = [
  'in_effect=error@cell:injected',
  'after_intent=delay:300@cell:tmp',
  'after_intent=delay:300@cell:starved',
].join(';');

/** How long a replica lacks something; longer than the delay at the failpoint. */
const SHORTAGE_MS = 450;
/** A replica is left alone for so long after a disturbance. */
const REST_MS = 700;

/** Replicas that keep running, and now and then lack something that an effect needs. */
export class CalmReplicas {
  readonly made: Disturbances = {};
  readonly #replicas: Replica[] = [];
  readonly #restingUntilMs = new Map<Replica, number>();
  readonly #busy = new Set<Promise<void>>();
  readonly #disturbed = new Set<string>();
  readonly #options: ReplicasOptions;

  /** @param options.env for every replica */
  constructor(options: Omit<ReplicasOptions, 'onReached'>) {
    this.#options = {
      ...options,
      onReached: (replica, reached) => this.#disturb(replica, reached),
    };
  }

  /** Starts replicas, the last of which has the other handlers. */
  async start(names: readonly string[], handlers: string, fewHandlers: string): Promise<void> {
    for (const [index, name] of names.entries()) {
      const few = index === names.length - 1 && index > 0;
      const env = {
        LEASEHOLD_FAILPOINTS: CALM_FAILPOINTS,
        LEASEHOLD_HANDLERS: few ? fewHandlers : handlers,
      };
      this.#replicas.push(new Replica(name, env, this.#options));
    }
    await Promise.all(this.#replicas.map(({ ready }) => ready));
  }

  /** Ends them; the names of those that ended by themselves, with their last words. */
  async stop(): Promise<string[]> {
    await Promise.all(this.#busy);
    const lost = lostOf(this.#replicas);
    await end(this.#replicas);
    return lost;
  }

  /** Each instance meets a shortage once, and can run then. */
  #disturb(replica: Replica, { cellId, instanceId }: Reached): void {
    const lack = cellId === 'tmp' ? 'temporary directory' : cellId === 'starved' ? 'files' : '';
    const nowMs = performance.now();
    if (lack === '' || this.#disturbed.has(instanceId)) return;
    if (nowMs < (this.#restingUntilMs.get(replica) ?? 0)) return;
    this.#disturbed.add(instanceId);
    this.#restingUntilMs.set(replica, nowMs + SHORTAGE_MS + REST_MS);
    count(this.made, `replica without ${lack}`);
    const shortage =
      cellId === 'tmp' ? replica.loseTemporaryDirectory(SHORTAGE_MS) : replica.starve(SHORTAGE_MS);
    const busy = shortage.catch(() => count(this.made, `${lack}: failed`));
    this.#busy.add(busy);
    void busy.finally(() => this.#busy.delete(busy));
  }
}

/** How often a process is frozen at one failpoint, at most. */
const MOST_FREEZES = 8;

/** The failpoints of a replica that is killed and frozen: killed once, frozen now and then. */
export function stormFailpoints(random: Random): string {
  return STORMS.flatMap((storm) => {
    const [point, action] = storm.split('-');
    const times = action === 'kill' ? 1 : MOST_FREEZES;
    let nth = 0;
    return Array.from({ length: times }, () => {
      nth += random.int(1, 5);
      return `${point}=${action}@cell:${storm},nth:${nth}`;
    });
  }).join(';');
}

/** What a storm does, and to what replicas. */
interface StormOptions {
  random: Random;
  /** The failpoints of each new replica. */
  failpoints: (random: Random) => string;
  /** Of every replica, besides its failpoints. */
  env: NodeJS.ProcessEnv;
  ttlMs: number;
  /** Whether replicas are harmed at random, too; default true. */
  strikes?: boolean | undefined;
  /** Called for a freeze at a failpoint, once the replica has been woken. */
  onThawed?: ((replica: Replica, reached: Reached, fromMs: number) => void) | undefined;
}

/** Replicas that are killed, frozen and stopped at random, and come back. */
export class StormReplicas {
  readonly made: Disturbances = {};
  readonly #storm: StormOptions;
  readonly #random: Random;
  readonly #options: ReplicasOptions;
  readonly #replicas = new Map<string, Replica>();
  readonly #all: Replica[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  #over = false;

  constructor(options: Omit<ReplicasOptions, 'onReached'>, storm: StormOptions) {
    this.#storm = storm;
    this.#random = storm.random;
    this.#options = {
      ...options,
      onReached: (replica, reached) => this.#reached(replica, reached),
    };
  }

  /** Those that run now. */
  get running(): Replica[] {
    return [...this.#replicas.values()].filter(({ running }) => running);
  }

  /** Those that ended by themselves so far, with their last words. */
  get lost(): string[] {
    return lostOf(this.#all);
  }

  /** Freezes a replica at that moment, unless it is the last one that can serve. */
  freezeAt(replicaId: string | undefined, inMs: number): void {
    this.#later(Math.max(0, inMs), () => {
      const replica = this.running.find((one) => one.replicaId === replicaId);
      if (replica === undefined || this.#over || !this.#mayHarm(replica)) return;
      count(this.made, 'freeze of a holder');
      replica.signal('SIGSTOP');
      this.#frozen(replica);
    });
  }

  async start(names: readonly string[]): Promise<void> {
    for (const name of names) this.#spawn(name);
    await Promise.all([...this.#replicas.values()].map(({ ready }) => ready));
    if (this.#storm.strikes !== false)
      this.#later(this.#random.between(300, 900), () => this.#strike());
  }

  /** From now on nobody is harmed: replicas without failpoints take the others' places. */
  async calm(): Promise<void> {
    this.#over = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const [name, replica] of this.#replicas) {
      replica.leaving = true;
      replica.signal('SIGCONT');
      replica.signal('SIGTERM');
      this.#spawn(name);
    }
    await Promise.all([...this.#replicas.values()].map(({ ready }) => ready));
  }

  /** Ends them; the names of those that ended by themselves, with their last words. */
  async stop(): Promise<string[]> {
    this.#over = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const lost = lostOf(this.#all);
    await end(this.#all.filter(({ running }) => running));
    return lost;
  }

  #spawn(name: string): void {
    const env = {
      LEASEHOLD_DRAIN_S: '1',
      ...this.#storm.env,
      // Once it is calm again, cells with failpoints are carried to their ends too.
      LEASEHOLD_FAILPOINTS: this.#over ? '' : this.#storm.failpoints(this.#random),
    };
    const replica = new Replica(name, env, this.#options);
    this.#replicas.set(name, replica);
    this.#all.push(replica);
    void replica.exited.then(() => {
      if (!this.#over && this.#replicas.get(name) === replica) this.#spawn(name);
    });
  }

  /** Harms one of the replicas, and goes on later. */
  #strike(): void {
    this.#later(this.#random.between(700, 1_600), () => this.#strike());
    const replica = this.#random.pick([...this.#replicas.values()]);
    if (!this.#mayHarm(replica)) return;
    const { what } = this.#random.weighted([
      { what: 'kill', weight: 3 },
      { what: 'freeze', weight: 3 },
      { what: 'terminate', weight: 2 },
    ] as const);
    count(this.made, what);
    if (what === 'freeze') {
      replica.signal('SIGSTOP');
      this.#frozen(replica);
    } else {
      replica.leaving = true;
      replica.signal(what === 'kill' ? 'SIGKILL' : 'SIGTERM');
    }
  }

  /** Somebody must be left, so that the run gets on. */
  #mayHarm(replica: Replica): boolean {
    return replica.able && this.running.some((other) => other !== replica && other.able);
  }

  #reached(replica: Replica, reached: Reached): void {
    const { failpoint, action } = reached;
    count(this.made, `${action} ${failpoint}`);
    if (action === 'freeze') this.#frozen(replica, reached);
    else replica.leaving = true;
  }

  /** It wakes before or after others have taken its instances. */
  #frozen(replica: Replica, reached?: Reached): void {
    const { ttlMs, onThawed } = this.#storm;
    const fromMs = Date.now();
    replica.frozen = true;
    const forMs = this.#random.chance(0.4)
      ? this.#random.between(50, ttlMs / 3)
      : this.#random.between(ttlMs + 500, ttlMs + 2_000);
    this.#later(forMs, () => {
      if (reached !== undefined) onThawed?.(replica, reached, fromMs);
      this.#wake(replica);
    });
  }

  #wake(replica: Replica): void {
    replica.frozen = false;
    replica.signal('SIGCONT');
  }

  #later(ms: number, then: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      then();
    }, ms);
    this.#timers.add(timer);
  }
}

function count(counts: Disturbances, what: string): void {
  counts[what] = (counts[what] ?? 0) + 1;
}

/** Replicas that ended although nobody wanted it. */
function lostOf(replicas: Iterable<Replica>): string[] {
  return [...replicas]
    .filter(({ running, leaving }) => !running && !leaving)
    .map((replica) => `${replica.name}: ${replica.end}\n${replica.lines.slice(-5).join('\n')}`);
}

async function end(replicas: Iterable<Replica>): Promise<void> {
  const all = [...replicas];
  for (const replica of all) {
    replica.leaving = true;
    replica.signal('SIGCONT');
    replica.signal('SIGTERM');
  }
  const force = setTimeout(() => all.forEach((replica) => replica.signal('SIGKILL')), 15_000);
  await Promise.all(all.map(({ exited }) => exited));
  clearTimeout(force);
}
