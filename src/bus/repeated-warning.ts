/** How often a warning that anybody on the bus can cause is repeated. */
const INTERVAL_MS = 10_000;

/**
 * Passes on a warning at most every 10 seconds, with the number of those that were left out: what
 * strangers send must not fill the log.
 */
export class RepeatedWarning {
  readonly #warn: (message: string) => void;
  readonly #nowMs: () => number;
  #quietUntilMs = Number.NEGATIVE_INFINITY;
  #leftOut = 0;

  constructor(warn: (message: string) => void, nowMs: () => number = () => performance.now()) {
    this.#warn = warn;
    this.#nowMs = nowMs;
  }

  warn(message: string): void {
    const nowMs = this.#nowMs();
    if (nowMs < this.#quietUntilMs) {
      this.#leftOut += 1;
      return;
    }
    this.#quietUntilMs = nowMs + INTERVAL_MS;
    const more = this.#leftOut === 0 ? '' : ` (and ${this.#leftOut} more since the last warning)`;
    this.#leftOut = 0;
    this.#warn(`${message}${more}`);
  }
}
