import { markedTrouble } from '../config/connection-trouble.ts';

const FIRST_MS = 3_000;
const INTERVAL_MS = 30_000;

/**
 * Finds out why a lost connection does not come back. The client tries again and again without a
 * word; if the server is there and refuses it (a certificate has expired, a password was changed),
 * somebody has to learn that.
 */
export class Outage {
  readonly #connect: () => Promise<void>;
  readonly #warn: (message: string, cause?: unknown) => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param connect connects separately, once; throws if that fails */
  constructor(connect: () => Promise<void>, warn: (message: string, cause?: unknown) => void) {
    this.#connect = connect;
    this.#warn = warn;
  }

  begin(): void {
    this.#schedule(FIRST_MS);
  }

  /** The connection is back, or is no longer wanted. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#diagnose(), delayMs).unref();
  }

  async #diagnose(): Promise<void> {
    const timer = this.#timer;
    try {
      await this.#connect();
    } catch (cause) {
      if (timer === this.#timer && cause instanceof Error && markedTrouble(cause) !== undefined)
        this.#warn(`${cause.message}. Reconnecting.`, cause);
    }
    if (timer === this.#timer) this.#schedule(INTERVAL_MS);
  }
}
