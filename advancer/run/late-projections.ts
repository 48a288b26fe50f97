import { TransientSet } from '../../src/transient-map.ts';
import type { Clock } from '../../src/time/clock.ts';
import type { Log, ProjectionLine } from '../log/log.ts';

/** How often is looked for lines that can be written. */
const EVERY_MS = 100;
/** So many lines in one statement. */
const MOST = 500;

/** Whose line in the projection may lag behind its log. */
export interface Lagging {
  /**
   * The line as it should be; `later`: the instance has hardly come to rest; undefined: it does not
   * lag any more.
   */
  lateLine(nowMs: number): ProjectionLine | 'later' | undefined;
}

/**
 * Writes the lines that were left for later, many in one statement: an instance that is advanced
 * over and over goes back and forth between `running` and `ready`, and of that only its coming to
 * rest is worth a write of its own.
 *
 * What a sweep relies on is never late: `running` is written with the first intent, and stays while
 * others follow. A line that is lost with this process says `running` of an instance at rest, which
 * a sweep finds and mends.
 */
export class LateProjections {
  readonly #clock: Clock;
  readonly #log: Pick<Log, 'project'>;
  readonly #failed: (cause: unknown) => void;
  readonly #lagging = new TransientSet<Lagging>();
  #due = false;

  constructor(clock: Clock, log: Pick<Log, 'project'>, failed: (cause: unknown) => void) {
    this.#clock = clock;
    this.#log = log;
    this.#failed = failed;
  }

  add(one: Lagging): void {
    this.#lagging.add(one);
    this.#schedule();
  }

  /** Writes now whatever lags. */
  flush(): Promise<void> {
    return this.#write(Number.POSITIVE_INFINITY);
  }

  #schedule(): void {
    if (this.#due || this.#lagging.size === 0) return;
    this.#due = true;
    this.#clock.after(EVERY_MS, () => {
      this.#due = false;
      void this.#write(this.#clock.monotonicMs()).finally(() => this.#schedule());
    });
  }

  async #write(nowMs: number): Promise<void> {
    const lines: ProjectionLine[] = [];
    for (const one of this.#lagging) {
      const line = one.lateLine(nowMs);
      if (line === 'later') continue;
      this.#lagging.delete(one);
      if (line !== undefined) lines.push(line);
    }
    for (let from = 0; from < lines.length; from += MOST) {
      try {
        await this.#log.project(lines.slice(from, from + MOST));
      } catch (cause) {
        // They stay as they are until their instance is advanced again, or a sweep comes by.
        this.#failed(cause);
      }
    }
  }
}
