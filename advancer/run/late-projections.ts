import { TransientSet } from '../../src/transient-map.ts';
import type { Clock } from '../../src/time/clock.ts';
import type { Log, ProjectionLine } from '../log/log.ts';

/** The interval at which lines that can be written are looked for. */
const INTERVAL_MS = 100;
/** The maximum number of lines in one statement. */
const MAX_LINES = 500;

/** An instance whose line in the projection may lag behind its log. */
export interface Lagging {
  /**
   * The line as it should be. `later` if the instance has hardly come to rest; undefined if the
   * line no longer lags.
   */
  lateLine(nowMs: number): ProjectionLine | 'later' | undefined;
}

/**
 * Writes lines of the projection that appends have left for later, many in one statement. Which
 * ones may wait is for `ProjectionLag` to say.
 *
 * If this process dies first, such a line says `running` about an instance at rest. A sweep finds
 * and corrects it.
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

  add(instance: Lagging): void {
    this.#lagging.add(instance);
    this.#schedule();
  }

  /** Writes every lagging line now. */
  flush(): Promise<void> {
    return this.#write(Number.POSITIVE_INFINITY);
  }

  #schedule(): void {
    if (this.#due || this.#lagging.size === 0) return;
    this.#due = true;
    this.#clock.after(INTERVAL_MS, () => {
      this.#due = false;
      void this.#write(this.#clock.monotonicMs()).finally(() => this.#schedule());
    });
  }

  async #write(nowMs: number): Promise<void> {
    const lines: ProjectionLine[] = [];
    for (const instance of this.#lagging) {
      const line = instance.lateLine(nowMs);
      if (line === 'later') continue;
      this.#lagging.delete(instance);
      if (line !== undefined) lines.push(line);
    }
    for (let from = 0; from < lines.length; from += MAX_LINES) {
      try {
        await this.#log.project(lines.slice(from, from + MAX_LINES));
      } catch (cause) {
        // They stay as they are until the instance is advanced again, or a sweep corrects them.
        this.#failed(cause);
      }
    }
  }
}
