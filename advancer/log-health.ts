import type { Logger } from '../src/logger.ts';
import type { Clock } from '../src/time/clock.ts';
import { errorText } from '../src/error-text.ts';
import { withDeadline } from '../src/time/deadline.ts';
import type { Log } from './log/log.ts';

const LOOK_AGAIN_MS = 500;
/**
 * Whoever complains has waited for long enough already; it takes no time-out more to hand back what
 * others can serve.
 */
const FIRST_LOOK_MS = 500;

/** What the keeper needs of the rest of the replica. */
export interface LogKeeperParts {
  log: Pick<Log, 'check' | 'highestToken'>;
  clock: Clock;
  logger: Logger;
  /** Hands back every holding that runs no effect. */
  handBack: (why: string) => Promise<void>;
}

/**
 * Looks after the replica's right to lead as far as the log is concerned: a replica that cannot
 * reach Postgres, or whose etcd counts below the log's tokens, holds nothing that others could
 * serve.
 */
export class LogHealth {
  readonly #parts: LogKeeperParts;
  #trouble: string | undefined;
  #looking = false;

  constructor(parts: LogKeeperParts) {
    this.#parts = parts;
  }

  /** Why the log cannot be used at the moment, as far as is known. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /**
   * Why this process must not open a session now; undefined when it may.
   *
   * An etcd that was restored from a backup hands out revisions anew. Tokens below those in the log
   * would be fenced by the log row for row, so nothing would ever advance; refusing to lead says so
   * once.
   */
  async gate(readEtcdRevision: () => Promise<number>): Promise<string | undefined> {
    let highest: number;
    try {
      await this.#parts.log.check();
      highest = await this.#parts.log.highestToken();
    } catch (cause) {
      return `Postgres cannot be used: ${errorText(cause)}`;
    }
    // In this order: others acquire meanwhile, and their tokens would seem to be ahead of a
    // revision read before.
    const etcdRevision = await readEtcdRevision();
    if (highest <= etcdRevision) return undefined;
    return (
      `etcd is at revision ${etcdRevision}, below token ${highest} in the log: it was restored from a backup or ` +
      `replaced. Restore it with "etcdutl snapshot restore --bump-revision ${highest} --mark-compacted" (etcd 3.5 ` +
      `and newer), or write to it until its revision is above ${highest}`
    );
  }

  /** Somebody could not reach Postgres: find out, and hand back what others could serve. */
  notice(cause: unknown): void {
    if (this.#looking) return;
    this.#looking = true;
    void this.#look(cause).finally(() => {
      this.#looking = false;
    });
  }

  async #look(cause: unknown): Promise<void> {
    const { log, clock, logger, handBack } = this.#parts;
    const late = `no answer within ${FIRST_LOOK_MS} ms`;
    for (let first = true; ; first = false) {
      try {
        await (first
          ? withDeadline(clock, FIRST_LOOK_MS, Error, late, () => log.check())
          : log.check());
        if (this.#trouble !== undefined) logger.info({}, 'Postgres answers again');
        this.#trouble = undefined;
        return;
      } catch (failure) {
        const text = errorText(failure);
        if (this.#trouble === undefined)
          logger.warn({ err: failure, cause }, 'Postgres does not answer, handing back leases');
        this.#trouble = text;
        await handBack(`Postgres cannot be used: ${text}`);
        await clock.sleep(LOOK_AGAIN_MS);
      }
    }
  }
}
