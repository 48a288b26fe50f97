/**
 * A scheduled call that can be cancelled. Cancelling twice, or after it fired, has no effect.
 */
export interface Timer {
  cancel(): void;
}

/**
 * Time as the product sees it; the simulation replaces it by a virtual clock.
 *
 * Safety rests on {@link Clock.monotonicMs} alone. Wall time is for expiry and for people to read.
 */
export interface Clock {
  /**
   * Milliseconds from an arbitrary start; never goes back, and keeps running while the process is
   * stopped.
   */
  monotonicMs(): number;
  /** Milliseconds since 1970 by the wall clock; may jump. */
  wallMs(): number;
  /** Calls `fire` once, after `delayMs`. */
  after(delayMs: number, fire: () => void): Timer;
  /** Resolves after `delayMs`, or as soon as `signal` aborts (it never rejects). */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** Implements `sleep` by `after`, for implementations of {@link Clock}. */
export function sleepBy(
  after: (delayMs: number, fire: () => void) => Timer,
  delayMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const done = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = after(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/**
 * Calls `fire` after `delayMs`, and not before the input that arrived by then could be read: a
 * process that was paused runs its due timers first, and would otherwise take for missing what is
 * waiting in its sockets.
 */
export function afterReading(
  clock: Pick<Clock, 'after'>,
  delayMs: number,
  fire: () => void,
): Timer {
  let timer = clock.after(delayMs, () => {
    timer = clock.after(1, fire);
  });
  return { cancel: () => timer.cancel() };
}

/** The machine's own clocks. Monotonic time is CLOCK_MONOTONIC, which SIGSTOP does not stop. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, fire) {
    const handle = setTimeout(fire, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
  sleep: (delayMs, signal) =>
    sleepBy((afterMs, fire) => systemClock.after(afterMs, fire), delayMs, signal),
};
