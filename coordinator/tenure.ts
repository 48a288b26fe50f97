import type { Logger } from '../src/logger.ts';
import type { Clock } from '../src/time/clock.ts';
import type { Holding, HoldingEnd } from '../src/lease/holding.ts';
import { Acquisition } from './acquisition.ts';
import { Holdings } from './holdings.ts';
import type { HoldingLimits } from './holdings.ts';
import type { AcquireOutcome, LeaseRecord } from './leases.ts';
import { Orphans } from './orphans.ts';
import { Releases } from './releases.ts';
import type { Session } from './session.ts';
import type { LeaseStore } from './store.ts';
import type { Term } from './term.ts';

/** Instances per transaction; more gain nothing and make each caller wait longer. */
const MAX_ITEMS = 40;
/**
 * How long a key may be attached to the session without a holding: longer than a call and the read
 * that settles it.
 */
const ORPHAN_GRACE_MS = 1_000;

/** How to make a {@link Tenure}. */
export interface TenureOptions {
  store: LeaseStore;
  clock: Clock;
  session: Session;
  namespace: string;
  replicaId: string;
  limits: HoldingLimits;
  /** See `CoordinatorOptions`. */
  defer: ((send: () => void) => void) | undefined;
  logger?: Logger | undefined;
}

/**
 * Everything that lives and dies with one session: its holdings, and what acquires and releases
 * them. A new session starts a new tenure with no holdings, so that no old one can be revived by
 * mistake.
 */
export class Tenure {
  readonly session: Session;
  readonly #clock: Clock;
  readonly #logger: Logger | undefined;
  readonly #holdings: Holdings;
  readonly #releases: Releases;
  readonly #acquisition: Acquisition;
  readonly #orphans: Orphans;

  constructor(options: TenureOptions) {
    const { store, clock, session, namespace, replicaId, limits } = options;
    this.session = session;
    this.#clock = clock;
    this.#logger = options.logger;
    this.#holdings = new Holdings(clock, limits, (term, why) => void this.release(term, why));
    this.#releases = new Releases(store, namespace, MAX_ITEMS);
    this.#acquisition = new Acquisition({
      store,
      clock,
      session,
      holdings: this.#holdings,
      releases: this.#releases,
      namespace,
      replicaId,
      maxItems: MAX_ITEMS,
      defer: options.defer,
    });
    this.#orphans = new Orphans({
      clock,
      graceMs: ORPHAN_GRACE_MS,
      state: (instanceId, token) => {
        if (this.#holdings.get(instanceId)?.token === token) return 'held';
        return this.#acquisition.pending(instanceId) ? 'undecided' : 'orphan';
      },
      release: (instanceId, token) => this.#releases.release(instanceId, token),
    });
    session.onEnd(() => {
      this.#orphans.stop();
      this.#holdings.endAll('session_lost');
    });
  }

  /** How many instances it holds. */
  get held(): number {
    return this.#holdings.size;
  }

  holding(instanceId: string): Holding | undefined {
    const term = this.#holdings.get(instanceId);
    return term?.trusted() === true ? term : undefined;
  }

  acquire(instanceId: string): Promise<AcquireOutcome> {
    return Promise.resolve(this.#present(instanceId) ?? this.#acquisition.acquire(instanceId));
  }

  takeOver(seen: LeaseRecord): Promise<AcquireOutcome> {
    return Promise.resolve(this.#present(seen.instanceId) ?? this.#acquisition.takeOver(seen));
  }

  /**
   * Ends the holding at once, then deletes its key. Does nothing for one that has ended. Never
   * rejects.
   */
  release(holding: Holding, why: string): Promise<void> {
    const term = this.#termOf(holding);
    if (term === undefined || !this.#holdings.end(term, 'released')) return Promise.resolve();
    this.#logger?.debug({ instanceId: term.instanceId, token: term.token, why }, 'lease released');
    return this.#deleteKey(term);
  }

  supersede(holding: Holding): void {
    const term = this.#termOf(holding);
    if (term === undefined || !this.#end(term, 'superseded')) return;
    // If the key is this term's after all, e.g. because etcd was restored from a backup, no other
    // replica could ever acquire it.
    this.#orphans.suspect(term.instanceId, term.token);
  }

  pin(holding: Holding): () => void {
    const term = this.#termOf(holding);
    return term === undefined ? () => undefined : this.#holdings.pin(term);
  }

  /** The directory saw a lease key of this process. */
  sawOwnKey(seen: LeaseRecord, leaseId: string | undefined): void {
    // Keys of an earlier session disappear with its etcd lease.
    if (leaseId === this.session.leaseId) this.#orphans.suspect(seen.instanceId, seen.token);
  }

  /**
   * The directory saw a lease key of another process. If its term is later than the one held here,
   * the lease was taken over: without ending the holding, two replicas would serve the instance
   * until the log fences one of them.
   */
  sawAnothersKey(seen: LeaseRecord): void {
    const term = this.#holdings.get(seen.instanceId);
    if (term !== undefined && seen.token > term.token) this.#end(term, 'superseded');
  }

  /**
   * Ends every holding at once, and releases all of them by ending the session, after a head start
   * for the replicas that replace them.
   */
  async close(why: string, headStartMs = 0): Promise<void> {
    this.#holdings.endAll('released');
    await this.session.end(why, headStartMs);
  }

  /**
   * Ends at once, pinned or not, every holding whose instance `which` picks, and releases them
   * after the head start.
   */
  async releaseAll(
    which: (instanceId: string) => boolean,
    why: string,
    headStartMs = 0,
  ): Promise<void> {
    const picked = this.#holdings.all().filter(({ instanceId }) => which(instanceId));
    for (const term of picked) this.#end(term, 'released');
    this.#logger?.debug({ leases: picked.length, why }, 'leases released');
    if (headStartMs > 0 && picked.length > 0) await this.#clock.sleep(headStartMs);
    await Promise.all(picked.map((term) => this.#deleteKey(term)));
  }

  /**
   * Ends a term whose key may stay for a while and must not count as a lease again. False if it had
   * ended before.
   */
  #end(term: Term, reason: HoldingEnd): boolean {
    if (!this.#holdings.end(term, reason)) return false;
    this.#releases.markEnded(term.instanceId, term.token);
    return true;
  }

  #present(instanceId: string): AcquireOutcome | undefined {
    const term = this.#holdings.get(instanceId);
    if (term?.trusted() !== true) return undefined;
    this.#holdings.touch(term);
    return { kind: 'acquired', holding: term };
  }

  #termOf(holding: Holding): Term | undefined {
    const term = this.#holdings.get(holding.instanceId);
    return term === holding ? term : undefined;
  }

  async #deleteKey(term: Term): Promise<void> {
    if ((await this.#releases.release(term.instanceId, term.token)) === 'unknown') {
      this.#orphans.suspect(term.instanceId, term.token);
    }
  }
}
