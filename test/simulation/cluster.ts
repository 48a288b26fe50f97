import type { Failpoint } from '../../advancer/failpoints.ts';
import type { Log } from '../../advancer/log/log.ts';
import { Replica, type LeasesLifecycle } from '../../advancer/replica.ts';
import { Coordinator } from '../../coordinator/coordinator.ts';
import { LeaseGone, StoreUnavailable, type LeaseStore } from '../../coordinator/store.ts';
import type { RequestStream } from '../../src/bus/request-stream.ts';
import { subjects } from '../../src/bus/subjects.ts';
import type { Row } from '../../src/execution/row.ts';
import type { EffectRunner } from '../../advancer/cells/cells.ts';
import { Coverage } from './coverage.ts';
import { simStore } from './lease-store.ts';
import { SimEtcd } from './sim-etcd.ts';
import { CallLost, Network } from './network.ts';
import { SimNats } from './sim-bus.ts';
import {
  HANDLERS,
  simEffects,
  Witness,
  type SimEffectsOptions,
  type Witnessed,
} from './sim-effects.ts';
import { SimPostgres } from './sim-log.ts';
import { SimRowPages } from './sim-row-pages.ts';
import { SimProcess, World } from './world.ts';

const TTL_S = 2;

/** One replica process of the simulation. */
export interface SimReplica {
  process: SimProcess;
  replicaId: string;
  replica: Replica;
  /** The handlers that it has. */
  handlers: readonly string[];
  /** The invariant that it crashed over, if it did. */
  crashedOver?: Error;
}

/**
 * How a cluster differs from the shipped product; for negative controls and for tests of single
 * rules.
 */
export interface ClusterOptions {
  longestEffectMs?: number;
  /** The handlers that the nth replica has; default: all. */
  handlers?: ((nth: number) => readonly string[]) | undefined;
  /** Whether the nth replica is of a version that does not say which handlers it has. */
  silent?: (nth: number) => boolean;
  effects?: (process: SimProcess, standard: EffectRunner) => EffectRunner;
  /** Changes how effects end. */
  ending?: SimEffectsOptions['ending'];
  failpoint?: (process: SimProcess) => Failpoint | undefined;
  log?: (log: Log, process: SimProcess) => Log;
  leases?: (leases: LeasesLifecycle) => LeasesLifecycle;
  /** The stream of enqueued requests as a process sees it; default: there is none. */
  stream?: (process: SimProcess) => RequestStream;
}

/** Replicas (the real ones, with other ports) and the servers around them, in virtual time. */
export class Cluster {
  readonly world: World;
  readonly network: Network;
  readonly etcd: SimEtcd;
  readonly postgres: SimPostgres;
  readonly nats: SimNats;
  readonly pages = new SimRowPages();
  readonly witness = new Witness();
  readonly coverage = new Coverage();
  readonly replicas: SimReplica[] = [];
  readonly subjects = subjects('sim');
  /** Attempts that another process closed while their process was there and had them in hand. */
  readonly closedInHand: string[] = [];
  /**
   * Effects that began while their attempt was not the open one. Only the simulation can see that:
   * a witness outside sees when an effect arrives, not when it began.
   */
  readonly begunUnopened: string[] = [];
  readonly #options: ClusterOptions;
  #started = 0;

  constructor(seed: number, options: ClusterOptions = {}) {
    this.#options = options;
    this.world = new World(seed);
    this.network = new Network(this.world);
    this.etcd = new SimEtcd(this.world.clock());
    this.postgres = new SimPostgres(this.world);
    this.nats = new SimNats(this.world, this.network);
    this.postgres.onRow = (row, before) => {
      this.pages.committed.push(row);
      this.coverage.row(row, before);
      this.#watchClosing(row, before);
    };
    this.postgres.onRejected = () => this.coverage.reach('rejected');
    this.network.onSprung = (trap) => this.coverage.sprung(trap);
    this.witness.onSeen = (effect) => this.#watchBeginning(effect);
  }

  #watchBeginning({ instanceId, cellId, attempt, fencingToken, process }: Witnessed): void {
    const newest = this.postgres.rowsOf(instanceId).at(-1);
    const isOpen =
      newest?.kind === 'started' &&
      newest.cellId === cellId &&
      newest.attempt === attempt &&
      newest.fencingToken === fencingToken;
    if (isOpen) return;
    this.begunUnopened.push(`${process} began ${instanceId}/${cellId} attempt ${attempt}`);
  }

  #watchClosing(row: Row, before: Row | undefined): void {
    if (
      row.kind !== 'interrupted' ||
      before?.kind !== 'started' ||
      before.replicaId === row.replicaId
    )
      return;
    const opener = this.living.find(({ replicaId }) => replicaId === before.replicaId);
    const registered = this.etcd.get(`/leasehold/sim/replicas/${before.replicaId}`);
    const inHand = opener?.replica.attempts.get(row.instanceId, row.cellId, row.attempt);
    // Registered since before the closer's term began, it was never gone for the closer.
    if (
      inHand === undefined ||
      registered === undefined ||
      registered.createRevision > row.fencingToken
    )
      return;
    // One whose effect has not begun may be renounced, and then never begins.
    if (!inHand.begun && opener?.replica.attempts.renounced(inHand) === true) return;
    this.closedInHand.push(
      `${row.instanceId}/${row.cellId} attempt ${row.attempt} of ${before.replicaId}`,
    );
  }

  /** Replicas whose processes are there, frozen ones included. */
  get living(): SimReplica[] {
    return this.replicas.filter(({ process }) => process.state !== 'dead');
  }

  /** Starts one more replica, under a fresh id. */
  startReplica(): SimReplica {
    const { world, network } = this;
    this.#started += 1;
    const replicaId = `r${this.#started}-${this.#started.toString(16).padStart(8, '0')}`;
    const process = new SimProcess(world, replicaId);
    const clock = process.clock();
    const handlers = this.#options.handlers?.(this.#started) ?? HANDLERS;
    const effects = simEffects({
      process,
      network,
      witness: this.witness,
      longestMs: this.#options.longestEffectMs ?? 3_000,
      handlers,
      ending: this.#options.ending,
    });
    const log = this.postgres.log(process, network);
    const replica = new Replica({
      log: this.#options.log?.(log, process) ?? log,
      pages: this.pages.of(process, network),
      bus: this.nats.bus(process),
      stream: this.#options.stream?.(process),
      subjects: this.subjects,
      effects: this.#options.effects?.(process, effects) ?? effects,
      clock,
      logger: this.#logger(replicaId),
      count: (event) => this.coverage.counted(event),
      failpoint: this.#options.failpoint?.(process),
      ttlMs: TTL_S * 1_000,
      drainMs: 8_000,
      coordinator: (gate) => {
        const coordinator = new Coordinator({
          store: this.#store(process),
          clock,
          namespace: 'sim',
          replicaId,
          name: `r${this.#started}`,
          pid: this.#started,
          httpUrl: 'http://127.0.0.1',
          handlers: this.#options.silent?.(this.#started) === true ? undefined : handlers,
          ttlS: TTL_S,
          gate,
          idleReleaseMs: 60_000,
          maxHoldings: 1_000,
          random: () => world.random.next(),
        });
        return this.#options.leases?.(coordinator) ?? coordinator;
      },
      crash: (cause) => {
        started.crashedOver = cause instanceof Error ? cause : new Error('crashed', { cause });
        world.note(`${replicaId} crashed over ${String(cause)}`);
        process.kill();
        throw cause;
      },
    });
    const started: SimReplica = { process, replicaId, replica, handlers };
    this.replicas.push(started);
    void replica.start();
    return started;
  }

  #store(process: SimProcess): LeaseStore {
    const { network } = this;
    const store = simStore(this.etcd, {
      around: async (name, run) => {
        try {
          return await network.call(process, 'etcd', { name, timeoutMs: 600 }, run);
        } catch (cause) {
          if (cause instanceof LeaseGone) throw cause;
          if (cause instanceof CallLost || cause instanceof StoreUnavailable) {
            throw new StoreUnavailable('etcd does not answer', { cause });
          }
          throw cause;
        }
      },
    });
    return {
      ...store,
      watch(prefix, fromRevision, onEvents, onBroken) {
        const watch = store.watch(
          prefix,
          fromRevision,
          (events) => {
            // A connection that is cut brings nothing more, and is noticed by its pings.
            if (network.open(process, 'etcd')) process.deliver(1, () => onEvents(events));
            else process.deliver(2_000, () => onBroken('cut off'));
          },
          (why) => void process.deliver(1, () => onBroken(why)),
        );
        return watch;
      },
    };
  }

  #logger(replicaId: string) {
    const note =
      (level: string) =>
      (fields: object, text: string): void => {
        const { instanceId, cellId, attempt, token, why } = fields as Record<string, unknown>;
        const about = JSON.stringify([instanceId, cellId, attempt, token, why]);
        this.world.note(`${replicaId} ${level}: ${text} ${about}`);
      };
    return { debug: () => undefined, info: note('info'), warn: note('warn'), error: note('error') };
  }
}
