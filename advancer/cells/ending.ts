import type { AbortCause } from './cells.ts';

/**
 * The wish that an effect end, in two steps.
 *
 * `told` fires as soon as the effect is to end, and is what a handler sees. `forced` fires two turns of the event
 * loop later, and is what ends commands and calls: after a freeze the timers fire first, and an outcome that came
 * meanwhile and waits to be read is definite, and must not be turned into a doubt by ending what has ended.
 */
export class Ending {
  readonly #told = new AbortController();
  readonly #forced = new AbortController();
  #cause: AbortCause | undefined;
  #forcing = false;
  #over = false;

  get told(): AbortSignal {
    return this.#told.signal;
  }

  get forced(): AbortSignal {
    return this.#forced.signal;
  }

  /** Why the effect is ended, or else was told to end; the first reason stays. */
  get cause(): AbortCause {
    return this.#cause ?? 'aborted';
  }

  /** Tells the effect to end, and leaves it to it. */
  tell(cause: AbortCause, message: string): void {
    if (this.#over || this.#told.signal.aborted) return;
    this.#cause = cause;
    this.#told.abort(new DOMException(message, cause === 'timeout' ? 'TimeoutError' : 'AbortError'));
  }

  /** Tells the effect to end, and ends it. */
  force(cause: AbortCause, message: string): void {
    this.tell(cause, message);
    if (this.#over || this.#forcing) return;
    this.#cause = cause;
    this.#forcing = true;
    void turnsOfTheLoop().then(() => {
      if (!this.#over) this.#forced.abort();
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
