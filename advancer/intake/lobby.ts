import type { Clock, Timer } from '../../src/clock.ts';

interface Guest {
  dueMs: number;
  admit: () => void;
}

/**
 * Where requests wait that are another replica's to serve. Nearly all of them are answered before their time is up, so
 * waiting here costs next to nothing: everybody waits equally long, and one timer serves them all.
 */
export class Lobby {
  readonly #clock: Clock;
  readonly #waitMs: number;
  /** In order of arrival, hence of their time. */
  readonly #guests = new Map<object, Guest>();
  #timer: Timer | undefined;

  constructor(clock: Clock, waitMs: number) {
    this.#clock = clock;
    this.#waitMs = waitMs;
  }

  /** Calls `admit` once the wait is over, unless the key is called in or leaves before. */
  enter(key: object, admit: () => void): void {
    this.#guests.set(key, { dueMs: this.#clock.monotonicMs() + this.#waitMs, admit });
    if (this.#timer === undefined) this.#admitIn(this.#waitMs);
  }

  /** Something has changed for it: it is admitted now. Does nothing for one that is not here. */
  callIn(key: object): void {
    const guest = this.#guests.get(key);
    if (this.#guests.delete(key)) guest?.admit();
  }

  /** It is not wanted any more. False when it is not here. */
  leave(key: object): boolean {
    return this.#guests.delete(key);
  }

  #admitIn(delayMs: number): void {
    this.#timer = this.#clock.after(Math.max(1, delayMs), () => {
      const nowMs = this.#clock.monotonicMs();
      // A process that stood still finds its timers due before it has read what came meanwhile: that they were answered.
      this.#timer = this.#clock.after(1, () => this.#admit(nowMs));
    });
  }

  #admit(nowMs: number): void {
    this.#timer = undefined;
    for (const [key, { dueMs, admit }] of this.#guests) {
      if (dueMs > nowMs) {
        this.#admitIn(dueMs - nowMs);
        return;
      }
      this.#guests.delete(key);
      admit();
    }
  }
}
