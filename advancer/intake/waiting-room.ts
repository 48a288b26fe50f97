import { TransientSet } from '../../src/transient-map.ts';
import { afterReading } from '../../src/time/clock.ts';
import type { Clock, Timer } from '../../src/time/clock.ts';

/** How often those who wait are looked through, at the most. */
const ROUND_MS = 10;

/** Those who wait for one replica, in order of arrival. */
interface Row {
  readonly holder: string;
  readonly guests: TransientSet<Waiter>;
  /** When that replica last showed that it serves. */
  servedMs: number;
}

/** Somebody who waits. */
export interface Waiter {
  readonly row: Row;
  readonly arrivedMs: number;
  readonly admit: (quietSinceMs: number) => void;
}

/**
 * Where requests wait that are another replica's to serve. Nearly all of them are answered before
 * their time is up, so waiting here costs next to nothing, and one timer serves them all.
 *
 * A request waits for so long as its replica may take from one sign of life to the next: one that
 * has just answered others is only busy, and to ask whether it is there would make it busier.
 */
export class WaitingRoom {
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #mostMs: number;
  readonly #rows = new Map<string, Row>();
  #timer: Timer | undefined;

  /**
   * @param waitMs how long a guest waits, from its arrival or the last that its replica served,
   *   whichever is later
   * @param mostMs but no longer than this from its arrival: the replica may never have heard of
   *   this one
   */
  constructor(clock: Clock, waitMs: number, mostMs: number) {
    this.#clock = clock;
    this.#waitMs = waitMs;
    this.#mostMs = mostMs;
  }

  /**
   * Calls `admit` once the wait for the holder is over, unless the guest is called in or leaves
   * before.
   *
   * @param admit told since when, on the monotonic clock, nothing has come of what it waits for
   */
  enter(holder: string, admit: (quietSinceMs: number) => void): Waiter {
    let row = this.#rows.get(holder);
    if (row === undefined)
      this.#rows.set(holder, (row = { holder, guests: new TransientSet(), servedMs: 0 }));
    const guest: Waiter = { row, arrivedMs: this.#clock.monotonicMs(), admit };
    row.guests.add(guest);
    if (this.#timer === undefined) this.#lookIn(this.#waitMs);
    return guest;
  }

  /** The holder has answered a request that came here too: it hears, and it serves. */
  served(holder: string): void {
    const row = this.#rows.get(holder);
    if (row !== undefined) row.servedMs = this.#clock.monotonicMs();
  }

  /**
   * Something has changed for it: it is admitted now. Does nothing for one that is not here any
   * more.
   */
  callIn(guest: Waiter): void {
    if (this.leave(guest)) guest.admit(this.#clock.monotonicMs());
  }

  /** It is not wanted any more. False when it is not here any more. */
  leave(guest: Waiter): boolean {
    const { row } = guest;
    if (!row.guests.delete(guest)) return false;
    if (row.guests.size === 0) this.#rows.delete(row.holder);
    return true;
  }

  #lookIn(delayMs: number): void {
    const dueMs = Math.max(ROUND_MS, delayMs);
    this.#timer = afterReading(this.#clock, dueMs, () => this.#admit(this.#clock.monotonicMs()));
  }

  #admit(nowMs: number): void {
    this.#timer = undefined;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const row of this.#rows.values()) {
      for (const guest of row.guests) {
        const { arrivedMs } = guest;
        const quietMs = Math.max(arrivedMs, row.servedMs);
        const longestMs = arrivedMs + this.#mostMs;
        const dueMs = Math.min(quietMs + this.#waitMs, longestMs);
        if (dueMs > nowMs) {
          nextMs = Math.min(nextMs, dueMs);
          break;
        }
        if (this.leave(guest)) guest.admit(dueMs === longestMs ? arrivedMs : quietMs);
      }
    }
    if (this.#rows.size > 0 && this.#timer === undefined) this.#lookIn(nextMs - nowMs);
  }
}
