/** How long a line is not logged again. */
const INTERVAL_MS = 10_000;

/**
 * Lets a line pass at most every 10 seconds, and counts those in between: for lines that anybody on
 * the bus can cause, and for those of something that is tried again and again.
 */
export class LogThrottle {
  #quietUntilMs = Number.NEGATIVE_INFINITY;
  #leftOut = 0;

  /**
   * @param nowMs of a monotonic clock
   * @returns how many lines were left out since the last one that passed; undefined if this one is
   *   to be left out, too
   */
  admit(nowMs: number): number | undefined {
    if (nowMs < this.#quietUntilMs) {
      this.#leftOut += 1;
      return undefined;
    }
    const leftOut = this.#leftOut;
    this.#quietUntilMs = nowMs + INTERVAL_MS;
    this.#leftOut = 0;
    return leftOut;
  }
}
