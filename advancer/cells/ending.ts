import type { AbortCause } from './cells.ts';

/**
 * The wish that an effect end, in two steps.
 *
 * `told` fires as soon as the effect is to end, and is what a handler sees. `forced` fires two
 * turns of the event loop later, and is what ends commands and calls: after a freeze the timers
 * fire first, and an outcome that came meanwhile and waits to be read is definite, and must not be
 * turned into a doubt by ending what has ended.
 */
export class Ending {
  // Made when somebody asks for them: most effects end without, and a signal is dear beside a short
  // effect.
  #told: AbortController | undefined;
  #forced: AbortController | undefined;
  readonly #whenForced: (() => void)[] = [];
  #reason: DOMException | undefined;
  #cause: AbortCause | undefined;
  #forcing = false;
  #fired = false;
  #over = false;

  get told(): AbortSignal {
    if (this.#told === undefined) {
      this.#told = new AbortController();
      if (this.#reason !== undefined) this.#told.abort(this.#reason);
    }
    return this.#told.signal;
  }

  get forced(): AbortSignal {
    if (this.#forced === undefined) {
      const forced = new AbortController();
      this.#forced = forced;
      this.onForced(() => forced.abort());
    }
    return this.#forced.signal;
  }

  /** Calls back when {@link Ending.forced} fires; at once if it has. */
  onForced(listener: () => void): void {
    if (this.#fired) listener();
    else this.#whenForced.push(listener);
  }

  /** Whether the effect was told to end. */
  get wanted(): boolean {
    return this.#reason !== undefined;
  }

  /** Why the effect is ended, or else was told to end; the first reason stays. */
  get cause(): AbortCause {
    return this.#cause ?? 'aborted';
  }

  /** Tells the effect to end, and leaves it to it. */
  tell(cause: AbortCause, message: string): void {
    if (this.#over || this.wanted) return;
    this.#cause = cause;
    this.#reason = new DOMException(message, cause === 'timeout' ? 'TimeoutError' : 'AbortError');
    this.#told?.abort(this.#reason);
  }

  /** Tells the effect to end, and ends it. */
  force(cause: AbortCause, message: string): void {
    this.tell(cause, message);
    if (this.#over || this.#forcing) return;
    this.#cause = cause;
    this.#forcing = true;
    void turnsOfTheLoop().then(() => {
      if (this.#over) return;
      this.#fired = true;
      for (const listener of this.#whenForced.splice(0)) listener();
    });
  }

  /** The effect has ended; nothing fires any more. */
  over(): void {
    this.#over = true;
  }
}

/** Lets everything that is due by now, timers and arrived input alike, be handled first. */
export async function turnsOfTheLoop(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}
