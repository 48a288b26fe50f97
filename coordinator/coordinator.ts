import { errorText } from '../src/error-text.ts';
import type { Holding } from '../src/lease/holding.ts';
import { TroubleLog } from '../src/trouble-log.ts';
import { boundedStore, type BoundedStore } from './bounded-store.ts';
import { checkOptions, ownRecord, type CoordinatorOptions } from './coordinator-options.ts';
import { Directory } from './directory.ts';
import { askGate } from './gate.ts';
import { Keyring } from './keyring.ts';
import { leaseKey, leaseRecord } from './keys.ts';
import type { AcquireOutcome, LeaseRecord, Leases, ReplicaRecord } from './leases.ts';
import { Registry } from './registry.ts';
import type { NamespaceSecret } from './secrets.ts';
import { Session } from './session.ts';
import { LeaseGone } from './store.ts';
import { Tenure } from './tenure.ts';

/** How long a process that does not lead waits before it tries again, in milliseconds. */
const RETRY_MS = 1_000;

/**
 * Who holds what, for one process, on etcd.
 *
 * It opens a session once the gate allows, registers the process, and keeps both alive. When the
 * session is lost, all of its holdings end and it starts over. A failure of etcd never makes a
 * method throw or hang: the answer is `unavailable` or `unknown`, within about two call time-outs.
 */
export class Coordinator implements Leases {
  readonly replicaId: string;
  readonly #options: CoordinatorOptions;
  readonly #store: BoundedStore;
  readonly #registry: Registry;
  readonly #directory: Directory;
  readonly #keyring: Keyring;
  readonly #stopSignal = new AbortController();
  readonly #notLeading: TroubleLog;
  #tenure: Tenure | undefined;
  /** Why there is no tenure. */
  #reason = 'not started';
  /** Why there will be no further tenure. */
  #leaving: string | undefined;
  #running: { firstTry: Promise<void>; done: Promise<void> } | undefined;
  #stopped: Promise<void> | undefined;

  /** @throws RangeError that names the option, when a number is out of range */
  constructor(options: CoordinatorOptions) {
    const { replicaId, namespace, clock, logger, ttlS, effectSecrets } = options;
    checkOptions(options);
    this.replicaId = replicaId;
    this.#options = options;
    // Below half the TTL: a call that times out leaves time for another one before trust ends.
    this.#store = boundedStore(options.store, clock, Math.min(1_000, ttlS * 400));
    const record = (): ReplicaRecord => ownRecord(options, this.#keyring.ids);
    this.#registry = new Registry(this.#store, namespace, record);
    this.#keyring = new Keyring({
      store: this.#store,
      clock,
      namespace,
      logger,
      register: (session) => this.#registry.register(session),
      registered: () => this.#tenure?.session,
      alsoAnnounces: () => effectSecrets?.names().join() ?? '',
    });
    effectSecrets?.onNames(() => this.#keyring.follow());
    this.#notLeading = new TroubleLog({ clock, logger, happens: 'not leading' });
    this.#directory = new Directory({
      store: this.#store,
      clock,
      namespace,
      logger,
      onLease: (lease, leaseId) => {
        if (lease.replicaId === replicaId) this.#tenure?.sawOwnKey(lease, leaseId);
        else this.#tenure?.sawAnothersKey(lease);
      },
      onSecrets: (entry) => this.#keyring.saw(entry),
    });
  }

  /**
   * Starts. Resolves after the first attempt to lead, whether it succeeded or not; further attempts
   * follow until `stop`.
   */
  start(): Promise<void> {
    if (this.#running === undefined) {
      this.#directory.start();
      let tried: () => void = () => undefined;
      const firstTry = new Promise<void>((resolve) => (tried = resolve));
      this.#running = { firstTry, done: this.#lead(tried) };
    }
    return this.#running.firstTry;
  }

  holding(instanceId: string): Holding | undefined {
    return this.#tenure?.holding(instanceId);
  }

  /** How many instances this process holds. */
  get held(): number {
    return this.#tenure?.held ?? 0;
  }

  async acquire(instanceId: string): Promise<AcquireOutcome> {
    const present = this.holding(instanceId);
    const why = this.notLeading();
    if (why !== undefined && present === undefined) return { kind: 'unavailable', why };
    return this.#tenure?.acquire(instanceId) ?? { kind: 'unavailable', why: this.#reason };
  }

  async takeOver(seen: LeaseRecord): Promise<AcquireOutcome> {
    const why = this.notLeading();
    if (why !== undefined) return { kind: 'unavailable', why };
    return this.#tenure?.takeOver(seen) ?? { kind: 'unavailable', why: this.#reason };
  }

  async release(holding: Holding, why: string): Promise<void> {
    await this.#tenure?.release(holding, why);
  }

  async releaseAll(
    which: (instanceId: string) => boolean,
    why: string,
    headStartMs?: number,
  ): Promise<void> {
    await this.#tenure?.releaseAll(which, why, headStartMs);
  }

  supersede(holding: Holding): void {
    this.#tenure?.supersede(holding);
  }

  pin(holding: Holding): () => void {
    return this.#tenure?.pin(holding) ?? (() => undefined);
  }

  /** Leaves out draining replicas, this one included: they take on nothing new. */
  replicas(): readonly ReplicaRecord[] {
    const seen = this.#directory.candidates();
    const listed = seen.some(({ replicaId }) => replicaId === this.replicaId);
    if (this.notLeading() !== undefined) {
      return listed ? seen.filter(({ replicaId }) => replicaId !== this.replicaId) : seen;
    }
    return listed ? seen : [...seen, this.#registry.self()];
  }

  registered(): readonly ReplicaRecord[] {
    return this.#directory.registered();
  }

  secrets(): readonly NamespaceSecret[] {
    return this.#keyring.secrets;
  }

  /** Names this process only while it has a trusted holding. */
  hint(instanceId: string): LeaseRecord | undefined {
    const mine = this.holding(instanceId);
    if (mine !== undefined) return { instanceId, replicaId: this.replicaId, token: mine.token };
    const seen = this.#directory.lease(instanceId);
    return seen?.replicaId === this.replicaId ? undefined : seen;
  }

  async look(instanceId: string): Promise<LeaseRecord | 'none' | 'unavailable'> {
    try {
      const { entries } = await this.#store.read([leaseKey(this.#options.namespace, instanceId)]);
      return entries[0] === undefined ? 'none' : leaseRecord(instanceId, entries[0]);
    } catch {
      return 'unavailable';
    }
  }

  onVanished(listener: (instanceId: string) => void): () => void {
    return this.#directory.onVanished(listener);
  }

  /**
   * `gone` holds for every term that the process had acquired by then: their sessions are over.
   */
  async confirmGone(replicaId: string): Promise<'gone' | 'registered' | 'unknown'> {
    const session = this.#tenure?.session;
    if (session?.trusted() !== true) return 'unknown';
    try {
      return (await this.#registry.isGone(session, replicaId)) ? 'gone' : 'registered';
    } catch (error) {
      if (error instanceof LeaseGone) session.lose('etcd says that the session is gone');
      return 'unknown';
    }
  }

  async stepDown(why: string): Promise<void> {
    await this.#tenure?.session.end(why);
  }

  notLeading(): string | undefined {
    if (this.#leaving !== undefined) return this.#leaving;
    return this.#tenure?.session.trusted() === true ? undefined : this.#reason;
  }

  /**
   * Takes on nothing new, and registers the process as draining: it stays registered, because its
   * attempts may still be open. Holdings stay until they are released. Never rejects: if etcd does
   * not answer, other replicas find out by asking.
   */
  async drain(): Promise<void> {
    this.#leaving ??= 'draining';
    const session = this.#tenure?.session;
    if (session !== undefined)
      await this.#registry.registerDraining(session).catch(() => undefined);
  }

  /**
   * Ends trust in every term at once, releases everything, ends the session, and stops every
   * timer. Calling it again has no effect.
   *
   * @param headStartMs how long to wait before releasing, so that replicas that have been notified
   *   can replace the ended terms meanwhile
   */
  stop(headStartMs = 0): Promise<void> {
    this.#stopped ??= this.#stop(headStartMs);
    return this.#stopped;
  }

  async #stop(headStartMs: number): Promise<void> {
    this.#leaving = 'stopped';
    this.#stopSignal.abort();
    const tenure = this.#tenure;
    tenure?.session.distrust('stopped');
    // No term is trusted any more. Let that be announced before each of them is ended.
    if (headStartMs > 0) await this.#options.clock.sleep(1);
    // Revoking deletes every key that is still attached to this session, the registry's too. A key
    // that was taken over is attached to its successor's session.
    await tenure?.close('stopped', headStartMs);
    const ended = this.#directory.stop();
    this.#store.abandon();
    await Promise.all([ended, this.#running?.done]);
  }

  async #lead(tried: () => void): Promise<void> {
    const { clock, logger, random, replicaId } = this.#options;
    while (this.#leaving === undefined) {
      const opened = await this.#open();
      if (opened instanceof Tenure) {
        this.#notLeading.end();
        logger?.info({ replicaId, leaseId: opened.session.leaseId }, 'session opened');
        tried();
        await new Promise<string>((resolve) => opened.session.onEnd(resolve));
        logger?.warn({ replicaId, why: opened.session.ended }, 'session ended');
        continue;
      }
      this.#notLeading.add(opened, { replicaId });
      this.#reason = opened;
      tried();
      await clock.sleep(
        RETRY_MS * (random === undefined ? 1 : 0.75 + random() / 2),
        this.#stopSignal.signal,
      );
    }
    tried();
  }

  /** One attempt to lead; returns the new tenure, or why there is none. */
  async #open(): Promise<Tenure | string> {
    const { clock, gate, logger, namespace, replicaId, ttlS } = this.#options;
    const { idleReleaseMs, maxHoldings, defer } = this.#options;
    let session: Session | undefined;
    try {
      const revision = async (): Promise<number> =>
        (await this.#store.read([this.#registry.key])).revision;
      const refusal =
        (await askGate(clock, () => gate(revision))) ?? (await this.#keyring.ensure());
      if (refusal !== undefined) return refusal;
      if (this.#leaving !== undefined) return this.#leaving;
      session = await Session.open({ store: this.#store, clock, ttlS });
      await this.#keyring.register(session);
    } catch (error) {
      await session?.end('it could not be registered');
      return errorText(error);
    }
    if (this.#leaving !== undefined || !session.trusted()) {
      await session.end('left before it was used');
      return this.#leaving ?? 'the session ended before it was used';
    }
    const tenure = new Tenure({
      store: this.#store,
      clock,
      session,
      namespace,
      replicaId,
      limits: { idleReleaseMs, maxHoldings },
      defer,
      logger,
    });
    this.#tenure = tenure;
    this.#keyring.follow();
    session.onEnd((why) => {
      this.#tenure = undefined;
      this.#reason = `the session ended: ${why}`;
      // The watch may have missed as much as the session did.
      if (this.#leaving !== 'stopped') this.#directory.refresh();
    });
    return tenure;
  }
}
