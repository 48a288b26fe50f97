import type { Logger } from '../src/logger.ts';
import type { Clock } from '../src/time/clock.ts';
import { errorText } from '../src/error-text.ts';
import { withDeadline } from '../src/time/deadline.ts';
import type { Log, TokenPlace } from './log/log.ts';

const RETRY_MS = 500;
/** How often Postgres is checked, so that readiness does not depend on requests. */
const WATCH_MS = 2_000;
/**
 * The caller of `notice` has waited for its own timeout already, so the first check is short: what
 * others can serve is released soon.
 */
const FIRST_CHECK_MS = 500;

/** What {@link LogHealth} needs from the rest of the replica. */
export interface LogHealthOptions {
  log: Pick<Log, 'check' | 'highestToken'>;
  clock: Clock;
  logger: Logger;
  /** Releases every holding that runs no effect. */
  release: (why: string) => Promise<void>;
}

/**
 * Decides whether the log lets this replica lead: a replica that cannot reach Postgres, or whose
 * etcd revision is behind the log's tokens, holds nothing that others could serve.
 */
export class LogHealth {
  readonly #options: LogHealthOptions;
  #trouble: string | undefined;
  #checking = false;
  readonly #stop = new AbortController();

  constructor(options: LogHealthOptions) {
    this.#options = options;
  }

  /** Why the log cannot be used now, as far as is known. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /**
   * Why this process must not open a session now; undefined when it may.
   *
   * An etcd that was restored from a backup assigns revisions a second time. The log would fence
   * every row with a token below its own, so nothing would ever advance; refusing to lead reports
   * the cause once.
   */
  async gate(readEtcdRevision: () => Promise<number>): Promise<string | undefined> {
    let highest: TokenPlace | undefined;
    try {
      await this.#options.log.check();
      highest = await this.#options.log.highestToken();
    } catch (cause) {
      return `Postgres cannot be used: ${errorText(cause)}`;
    }
    // In this order: other replicas acquire meanwhile, and their tokens would seem to be ahead of a
    // revision that was read first.
    const etcdRevision = await readEtcdRevision();
    return highest === undefined ? undefined : tokenProblem(highest, etcdRevision);
  }

  /** Checks from time to time, until {@link stop}. */
  start(): void {
    void this.#watch();
  }

  stop(): void {
    this.#stop.abort();
  }

  async #watch(): Promise<void> {
    const { log, clock } = this.#options;
    for (;;) {
      await clock.sleep(WATCH_MS, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      if (this.#checking) continue;
      try {
        await log.check();
      } catch (cause) {
        this.notice(cause);
      }
    }
  }

  /**
   * Postgres did not answer, or cannot be written to: check whether that is so, and if it is,
   * release what others can serve.
   */
  notice(cause: unknown): void {
    if (this.#checking) return;
    this.#checking = true;
    void this.#check(cause).finally(() => {
      this.#checking = false;
    });
  }

  async #check(cause: unknown): Promise<void> {
    const { log, clock, logger, release } = this.#options;
    const late = `no answer within ${FIRST_CHECK_MS} ms`;
    for (let first = true; ; first = false) {
      try {
        await (first
          ? withDeadline(clock, FIRST_CHECK_MS, Error, late, () => log.check())
          : log.check());
        if (this.#trouble !== undefined) logger.info({}, 'Postgres can be used again');
        this.#trouble = undefined;
        return;
      } catch (failure) {
        const text = errorText(failure);
        if (this.#trouble === undefined)
          logger.warn({ err: failure, cause }, 'Postgres cannot be used; releasing leases');
        this.#trouble = text;
        await release(`Postgres cannot be used: ${text}`);
        await clock.sleep(RETRY_MS);
      }
    }
  }
}

/**
 * An etcd that writes ten thousand times a second needs three years for this many revisions: a
 * token that is further ahead is not one that it has issued.
 */
const PLAUSIBLE_LEAD = 1_000_000_000_000n;

/** Why the highest token in the log does not go with etcd's revision, and what to do about it. */
function tokenProblem(highest: TokenPlace, etcdRevision: number): string | undefined {
  const { token, table, instanceId, key, replicaId } = highest;
  const ahead = token - BigInt(etcdRevision);
  if (ahead <= 0n) return undefined;
  const column = table === 'executions' ? 'seq' : 'request';
  const row = `leasehold.${table}, instance ${instanceId}, ${column} ${key}, token ${token}, replica ${replicaId ?? 'not named'}`;
  const remove =
    'remove it as the owner of the database (docs/operations.md, "A row that no replica can have written")';
  if (ahead > PLAUSIBLE_LEAD)
    return `the log has a row that no replica can have written, since etcd is at revision ${etcdRevision}: ${row}; ${remove}`;
  return (
    `etcd is at revision ${etcdRevision}, below token ${token} in the log: it was restored from a backup or ` +
    `replaced. Restore it with "etcdutl snapshot restore --bump-revision ${token} --mark-compacted" (etcd 3.5 ` +
    `and newer), or write to it until its revision is above ${token}. The token is in ${row}; if no replica wrote ` +
    `that row, ${remove}`
  );
}
