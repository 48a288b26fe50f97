import type { Clock, Timer } from '../src/time/clock.ts';
import { marginMs, renewalMs } from '../src/lease/trust.ts';
import type { LeaseStore } from './store.ts';
import { TrustWindow } from './trust-window.ts';

/** How to open a {@link Session}. */
export interface SessionOptions {
  store: LeaseStore;
  clock: Clock;
  /** Whole seconds to ask for; etcd may grant more. */
  ttlS: number;
}

/** What etcd granted. */
interface GrantedLease {
  leaseId: string;
  ttlMs: number;
}

/**
 * One etcd lease of this process, from its grant to its end. It keeps itself alive.
 *
 * It is trusted for a window that starts when a keep-alive is sent. Once the window has passed, or
 * etcd has said that the lease is gone, the session has ended for good; nothing revives it.
 */
export class Session {
  readonly leaseId: string;
  /** The TTL that etcd granted, in milliseconds. */
  readonly ttlMs: number;
  readonly #store: LeaseStore;
  readonly #clock: Clock;
  readonly #window: TrustWindow;
  readonly #listeners: ((why: string) => void)[] = [];
  #ended: string | undefined;
  #expiry: Timer | undefined;
  #renewal: Timer | undefined;

  private constructor(options: SessionOptions, granted: GrantedLease, sentAtMs: number) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.leaseId = granted.leaseId;
    this.ttlMs = granted.ttlMs;
    this.#window = new TrustWindow(sentAtMs, granted.ttlMs);
    this.#watchExpiry();
    this.#renewIn(renewalMs(this.ttlMs) - (this.#clock.monotonicMs() - sentAtMs));
  }

  /** Asks etcd for a lease. Rejects when etcd does not grant one. */
  static async open(options: SessionOptions): Promise<Session> {
    const sentAtMs = options.clock.monotonicMs();
    return new Session(options, await options.store.grant(options.ttlS), sentAtMs);
  }

  /**
   * Whether terms acquired under this session may be acted on at this moment. If the window has
   * passed, this call ends the session.
   */
  trusted(): boolean {
    if (this.#ended !== undefined) return false;
    if (this.#window.open(this.#clock.monotonicMs())) return true;
    this.lose('no keep-alive was answered within the trust window');
    // Keep-alives whose answers were lost may have renewed the lease all the same. Revoke it, no
    // earlier than it would have expired without them.
    this.#clock.after(
      marginMs(this.ttlMs),
      () => void this.#store.revoke(this.leaseId).catch(() => undefined),
    );
    return false;
  }

  /** When trust ends unless a keep-alive is answered, on the monotonic clock. */
  get trustedUntilMs(): number {
    return this.#window.untilMs;
  }

  /** Why it ended; undefined while it lives. */
  get ended(): string | undefined {
    return this.#ended;
  }

  /** Calls back once, when the session ends; immediately if it has ended. */
  onEnd(listener: (why: string) => void): void {
    if (this.#ended === undefined) this.#listeners.push(listener);
    else listener(this.#ended);
  }

  /**
   * Ends it as lost, without telling etcd: until its keys expire, no replica can mistake the last
   * messages of this process for those of a process that was free to act.
   */
  lose(why: string): void {
    this.distrust(why);
    for (const listener of this.#listeners.splice(0)) listener(this.#ended ?? why);
  }

  /**
   * Ends trust in every term under it, in one step however many there are. Listeners are called
   * when the session is lost or ended.
   */
  distrust(why: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = why;
    this.#window.close();
    this.#expiry?.cancel();
    this.#renewal?.cancel();
  }

  /**
   * Ends it on purpose and, after a head start, revokes the lease, so that other replicas need not
   * wait for it to expire. False: etcd did not confirm it.
   */
  async end(why: string, headStartMs = 0): Promise<boolean> {
    this.lose(why);
    if (headStartMs > 0) await this.#clock.sleep(headStartMs);
    try {
      await this.#store.revoke(this.leaseId);
      return true;
    } catch {
      // Nothing renews it any more, so it expires.
      return false;
    }
  }

  #watchExpiry(): void {
    this.#expiry?.cancel();
    const leftMs = Math.max(1, this.#window.untilMs - this.#clock.monotonicMs());
    this.#expiry = this.#clock.after(leftMs, () => {
      // A timer may fire a fraction early.
      if (this.trusted()) this.#watchExpiry();
    });
  }

  #renewIn(delayMs: number): void {
    this.#renewal?.cancel();
    this.#renewal = this.#clock.after(Math.max(1, delayMs), () => this.#renew());
  }

  /**
   * Sends keep-alives one at a time: when answers are lost, each further one could renew a lease
   * that this process must give up. A failed one is followed by the next immediately, or a twelfth
   * of the TTL after it was sent.
   */
  #renew(): void {
    if (!this.trusted()) return;
    const sentAtMs = this.#clock.monotonicMs();
    const nextIn = (delayMs: number): void =>
      this.#renewIn(delayMs - (this.#clock.monotonicMs() - sentAtMs));
    this.#store.renew(this.leaseId).then(
      ({ ttlMs }) => {
        if (!this.trusted()) return;
        if (ttlMs <= 0) {
          this.lose('etcd says that the session is gone');
          return;
        }
        if (this.#window.extend(sentAtMs, ttlMs, this.#clock.monotonicMs())) this.#watchExpiry();
        nextIn(renewalMs(this.ttlMs));
      },
      () => {
        if (this.#ended === undefined) nextIn(renewalMs(this.ttlMs) / 4);
      },
    );
  }
}
