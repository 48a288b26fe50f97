import { TransientSet } from '../../src/transient-map.ts';
import { afterReading } from '../../src/time/clock.ts';
import type { Clock, Timer } from '../../src/time/clock.ts';

/** Waiters are checked at most this often. */
const MIN_CHECK_INTERVAL_MS = 10;

/** The requests that wait for one holder, in order of arrival. */
interface HolderQueue {
  readonly holder: string;
  readonly waiters: TransientSet<Waiter>;
  /** When the holder was last heard to have answered a request that came here too. */
  answeredMs: number;
}

/** A request that waits. */
export interface Waiter {
  readonly holderQueue: HolderQueue;
  readonly arrivedMs: number;
  readonly admit: (quietSinceMs: number) => void;
}

/**
 * Where requests wait that another replica has to serve. Nearly all of them are answered before
 * their wait is over, so waiting costs next to nothing: one timer serves them all.
 *
 * The wait starts again whenever the holder answers another request: such a holder is only busy,
 * and a ping would make it busier.
 */
export class WaitingRoom {
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #maxWaitMs: number;
  readonly #queues = new Map<string, HolderQueue>();
  #timer: Timer | undefined;

  /**
   * @param waitMs how long a request waits, from its arrival or from the holder's last answer,
   *   whichever is later
   * @param maxWaitMs the limit from its arrival: the holder may never have received this request
   */
  constructor(clock: Clock, waitMs: number, maxWaitMs: number) {
    this.#clock = clock;
    this.#waitMs = waitMs;
    this.#maxWaitMs = maxWaitMs;
  }

  /**
   * Calls `admit` once the wait for the holder is over, unless the waiter is admitted or leaves
   * before.
   *
   * @param admit gets since when, on the monotonic clock, the holder has been quiet
   */
  enter(holder: string, admit: (quietSinceMs: number) => void): Waiter {
    let holderQueue = this.#queues.get(holder);
    if (holderQueue === undefined) {
      holderQueue = { holder, waiters: new TransientSet(), answeredMs: 0 };
      this.#queues.set(holder, holderQueue);
    }
    const waiter: Waiter = { holderQueue, arrivedMs: this.#clock.monotonicMs(), admit };
    holderQueue.waiters.add(waiter);
    if (this.#timer === undefined) this.#schedule(this.#waitMs);
    return waiter;
  }

  /** The holder has answered a request that came here too: it receives messages, and serves. */
  holderAnswered(holder: string): void {
    const holderQueue = this.#queues.get(holder);
    if (holderQueue !== undefined) holderQueue.answeredMs = this.#clock.monotonicMs();
  }

  /** Admits a waiter now. Does nothing if it is no longer here. */
  admitNow(waiter: Waiter): void {
    if (this.leave(waiter)) waiter.admit(this.#clock.monotonicMs());
  }

  /** Removes a waiter. False if it is no longer here. */
  leave(waiter: Waiter): boolean {
    const { holderQueue } = waiter;
    if (!holderQueue.waiters.delete(waiter)) return false;
    if (holderQueue.waiters.size === 0) this.#queues.delete(holderQueue.holder);
    return true;
  }

  #schedule(delayMs: number): void {
    const checkMs = Math.max(MIN_CHECK_INTERVAL_MS, delayMs);
    this.#timer = afterReading(this.#clock, checkMs, () =>
      this.#admitDue(this.#clock.monotonicMs()),
    );
  }

  #admitDue(nowMs: number): void {
    this.#timer = undefined;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const holderQueue of this.#queues.values()) {
      for (const waiter of holderQueue.waiters) {
        const { arrivedMs } = waiter;
        const quietSinceMs = Math.max(arrivedMs, holderQueue.answeredMs);
        const limitMs = arrivedMs + this.#maxWaitMs;
        const dueMs = Math.min(quietSinceMs + this.#waitMs, limitMs);
        if (dueMs > nowMs) {
          nextMs = Math.min(nextMs, dueMs);
          break;
        }
        if (this.leave(waiter)) waiter.admit(dueMs === limitMs ? arrivedMs : quietSinceMs);
      }
    }
    if (this.#queues.size > 0 && this.#timer === undefined) this.#schedule(nextMs - nowMs);
  }
}
