import type { AbortCause } from './cells.ts';

/**
 * The cancellation of one effect, in two steps.
 *
 * `signal` fires as soon as cancellation is requested, and is what a handler sees. `forcedSignal`
 * fires two turns of the event loop later, and is what ends commands and http calls: after a freeze
 * the timers fire first, while an outcome may already be waiting to be read. That outcome is
 * definite, and must not become a doubt because the effect was ended after it had finished.
 */
export class Cancellation {
  // Created on first use: most effects end without them, and a signal is expensive compared with a
  // short effect.
  #requestController: AbortController | undefined;
  #forceController: AbortController | undefined;
  readonly #forcedListeners: (() => void)[] = [];
  #reason: DOMException | undefined;
  #cause: AbortCause | undefined;
  #forcing = false;
  #forced = false;
  #finished = false;

  get signal(): AbortSignal {
    if (this.#requestController === undefined) {
      this.#requestController = new AbortController();
      if (this.#reason !== undefined) this.#requestController.abort(this.#reason);
    }
    return this.#requestController.signal;
  }

  get forcedSignal(): AbortSignal {
    if (this.#forceController === undefined) {
      const controller = new AbortController();
      this.#forceController = controller;
      this.onForced(() => controller.abort());
    }
    return this.#forceController.signal;
  }

  /** Calls back when {@link Cancellation.forcedSignal} fires; immediately if it has. */
  onForced(listener: () => void): void {
    if (this.#forced) listener();
    else this.#forcedListeners.push(listener);
  }

  /** Whether the effect was asked to end. */
  get requested(): boolean {
    return this.#reason !== undefined;
  }

  /** Why the effect is ended by force, or else why it was asked to end; the first cause stays. */
  get cause(): AbortCause {
    return this.#cause ?? 'aborted';
  }

  /** Asks the effect to end, and leaves it to the effect. */
  request(cause: AbortCause, message: string): void {
    if (this.#finished || this.requested) return;
    this.#cause = cause;
    this.#reason = new DOMException(message, cause === 'timeout' ? 'TimeoutError' : 'AbortError');
    this.#requestController?.abort(this.#reason);
  }

  /** Asks the effect to end, and then ends it. */
  force(cause: AbortCause, message: string): void {
    this.request(cause, message);
    if (this.#finished || this.#forcing) return;
    this.#cause = cause;
    this.#forcing = true;
    void eventLoopTurns().then(() => {
      if (this.#finished) return;
      this.#forced = true;
      for (const listener of this.#forcedListeners.splice(0)) listener();
    });
  }

  /** The effect has ended; nothing fires any more. */
  finish(): void {
    this.#finished = true;
  }
}

/** Lets everything that is due now, timers as well as arrived input, be handled first. */
export async function eventLoopTurns(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}
