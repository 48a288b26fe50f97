import type { InstanceStatus } from '../../src/execution/status.ts';

/**
 * An instance whose line was written as `running`, or that became `ready`, less than this long ago
 * is being advanced over and over. Shorter than the time for which a sweep ignores a `running`
 * line, so that the line of such an instance never looks abandoned.
 */
const BUSY_MS = 250;
/** The line is written once the instance has not been advanced for this long. */
const AT_REST_MS = 100;

/**
 * How far one instance's line in the projection may lag behind its log.
 *
 * An instance that is advanced over and over alternates between `running` and `ready`; only where
 * it comes to rest is worth a write. What a sweep relies on is never late: `running` is written
 * with the first intent, and stays while others follow.
 *
 * Pure; times are monotonic, in milliseconds.
 */
export class ProjectionLag {
  /** True of a log that was just read: nothing is known about its line. */
  #lags = true;
  /** When the instance last became `ready`. */
  #readySinceMs = Number.NEGATIVE_INFINITY;
  /** When the line was last written as `running`, if it certainly still says so. */
  #runningWrittenMs = Number.NEGATIVE_INFINITY;

  /**
   * Whether an append that leaves the instance in `status` may leave the line as it is: it will be
   * written soon, or already says what a sweep must know. If a later term has meanwhile found the
   * instance at rest and the line no longer says so, the log's guard writes it.
   *
   * If not, the line is written with the append.
   */
  mayWait(status: InstanceStatus, nowMs: number): boolean {
    const waits =
      status === 'ready'
        ? nowMs - this.#readySinceMs < BUSY_MS
        : status === 'running' && nowMs - this.#runningWrittenMs < BUSY_MS;
    if (!waits) this.written();
    return waits;
  }

  /**
   * Records that the append was committed.
   *
   * @param waited the answer of {@link mayWait} for it
   * @param sentMs when it was sent
   */
  committed(status: InstanceStatus, waited: boolean, sentMs: number, nowMs: number): void {
    if (status === 'ready') this.#readySinceMs = nowMs;
    if (waited) this.#lags = true;
    else if (status === 'running') this.#runningWrittenMs = sentMs;
  }

  /** Whether the line may be older than the log. */
  get lags(): boolean {
    return this.#lags;
  }

  /** Whether the instance has been left alone for long enough for its line to be written. */
  atRest(nowMs: number): boolean {
    return nowMs - this.#readySinceMs >= AT_REST_MS;
  }

  /** The line is being written, and may no longer say `running`. */
  written(): void {
    this.#lags = false;
    this.#runningWrittenMs = Number.NEGATIVE_INFINITY;
  }
}
