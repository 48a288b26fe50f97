import { TransientSet } from '../../src/transient-map.ts';
import type { Clock } from '../../src/time/clock.ts';
import { errorText } from '../../src/error-text.ts';
import type { Logger } from '../../src/logger.ts';
import { TroubleLog } from '../../src/trouble-log.ts';
import { LogUnavailable, type Log, type ProjectionLine } from '../log/log.ts';

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

/** What {@link lateProjections} needs from the rest of the replica. */
export interface LateProjectionsOptions {
  clock: Clock;
  log: Pick<Log, 'project'>;
  logger: Logger;
  /** Postgres did not answer. */
  logTrouble: (cause: unknown) => void;
}

/** The late projections of a replica, which logs what goes wrong with them. */
export function lateProjections(options: LateProjectionsOptions): LateProjections {
  const { clock, log, logger, logTrouble } = options;
  const happens = 'could not update the instance list';
  const trouble = new TroubleLog({ clock, logger, happens, level: 'error' });
  return new LateProjections(clock, log, (cause) => {
    if (cause instanceof LogUnavailable) logTrouble(cause);
    else trouble.add(errorText(cause), { err: cause });
  });
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
