import { LogThrottle } from '../log-throttle.ts';

/**
 * Passes on a warning at most every 10 seconds, with the number of those that were left out: what
 * strangers send must not fill the log.
 */
export class RepeatedWarning {
  readonly #warn: (message: string) => void;
  readonly #nowMs: () => number;
  readonly #throttle = new LogThrottle();

  constructor(warn: (message: string) => void, nowMs: () => number = () => performance.now()) {
    this.#warn = warn;
    this.#nowMs = nowMs;
  }

  warn(message: string): void {
    const leftOut = this.#throttle.admit(this.#nowMs());
    if (leftOut === undefined) return;
    const more = leftOut === 0 ? '' : ` (and ${leftOut} more since the last warning)`;
    this.#warn(`${message}${more}`);
  }
}
