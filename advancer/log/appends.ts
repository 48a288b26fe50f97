import type { DatabaseError } from 'pg';

import { Batches } from '../../src/batches.ts';
import { isRefusal } from './connections.ts';
import type { Queryable } from './connections.ts';
import { preparedEntry } from './entry.ts';
import { LogUnavailable } from './log.ts';
import type { AppendEntry, AppendOutcome } from './log.ts';
import { judgeRefused } from './outcome.ts';
import { insertEntries, readBack } from './sql/append.ts';

/** Enough to keep the server busy while the next batch fills; more only make batches smaller. */
const MAX_BATCHES_IN_FLIGHT = 3;
const MAX_ENTRIES = 64;

/**
 * Sends appends; those that arrive together go in one statement.
 *
 * An idle log sends an entry in the same turn of the event loop; a busy one queues what arrives
 * while three batches are under way. The entries of a batch share an outcome only when nothing is
 * known (a time-out, a broken connection): then each of them is `unknown`. From then on an instance
 * whose last append is unknown is sent alone until it is settled, so that one entry that waits for
 * another client's open transaction cannot hold up the others again and again.
 */
export class Appends {
  readonly #writes: Queryable;
  readonly #reads: Queryable;
  readonly #batches: Batches<AppendEntry, AppendOutcome>;
  /** Instances whose last append is unknown. */
  readonly #unsettled = new Set<string>();

  constructor(writes: Queryable, reads: Queryable) {
    this.#writes = writes;
    this.#reads = reads;
    this.#batches = new Batches(
      {
        maxItems: MAX_ENTRIES,
        maxInFlight: MAX_BATCHES_IN_FLIGHT,
        // At the end of the turn, when everything that it brings is queued.
        defer: setImmediate,
        admission: independentEntries,
      },
      (entries) => this.#send(entries),
    );
  }

  /** See `Log.append`. */
  async append(raw: AppendEntry): Promise<AppendOutcome> {
    const entry = preparedEntry(raw);
    const outcome = this.#unsettled.has(entry.instanceId)
      ? await this.#sendAlone(entry)
      : await this.#batches.add(entry);
    if (outcome.kind === 'unknown') this.#unsettled.add(entry.instanceId);
    else this.#unsettled.delete(entry.instanceId);
    return outcome;
  }

  async #send(
    entries: AppendEntry[],
  ): Promise<readonly (AppendOutcome | Promise<AppendOutcome>)[]> {
    const [only] = entries;
    if (entries.length === 1 && only !== undefined) {
      const outcome = this.#sendAlone(only);
      await outcome.catch(() => undefined);
      return [outcome];
    }
    try {
      const written = await insertEntries(this.#writes, entries);
      return written.map((rows) => ({ kind: 'appended', rows }));
    } catch (cause) {
      if (cause instanceof LogUnavailable) return entries.map(() => ({ kind: 'unknown', cause }));
      // One entry that Postgres refuses fails the statement for all: alone, each gets its own
      // outcome. The batch does not wait for them.
      return entries.map((entry) => this.#sendAlone(entry));
    }
  }

  async #sendAlone(entry: AppendEntry): Promise<AppendOutcome> {
    try {
      const [rows] = await insertEntries(this.#writes, [entry]);
      return { kind: 'appended', rows: rows! };
    } catch (cause) {
      if (cause instanceof LogUnavailable) return { kind: 'unknown', cause };
      if (!isRefusal(cause)) throw cause;
      if (isJudged(cause)) return this.#judge(entry, cause);
      return { kind: 'rejected', why: reasonOf(cause), ofData: OF_DATA.test(cause.code) };
    }
  }

  async #judge(entry: AppendEntry, refusal: unknown): Promise<AppendOutcome> {
    try {
      return judgeRefused(entry, await readBack(this.#reads, entry), refusal);
    } catch (cause) {
      if (cause instanceof LogUnavailable) return { kind: 'unknown', cause };
      throw cause;
    }
  }
}

/**
 * Whether another write may explain the refusal: the guard's codes, and a key of ours that is
 * taken. A unique index that somebody added is not ours.
 */
function isJudged({ code, constraint }: DatabaseError & { code: string }): boolean {
  if (code === '23505') return constraint === undefined || OWN_KEYS.has(constraint);
  return code.startsWith('LH');
}

/** The primary keys of the tables that an append inserts into. */
const OWN_KEYS: ReadonlySet<string> = new Set(['executions_pkey', 'requests_pkey']);

/**
 * SQLSTATE classes of refused data: a value that is no value of its type or encoding, a constraint,
 * a view's or policy's check, a limit such as the size of a row.
 */
const OF_DATA = /^(?:22|23|44|54)/;

/** What Postgres said, without the statement and its values. */
function reasonOf({ code, message, table, constraint }: DatabaseError): string {
  const where = [
    table === undefined ? '' : `table ${table}`,
    constraint === undefined ? '' : `constraint ${constraint}`,
  ].filter((part) => part !== '');
  return `${message} (SQLSTATE ${code}${where.map((part) => `, ${part}`).join('')})`;
}

/**
 * Admits at most one entry per instance, because the entries of a statement must not depend on one
 * another, and does not mix entries with rows and receipts without rows: the guard takes other
 * locks for the latter.
 */
function independentEntries(): (entry: AppendEntry) => boolean {
  const instances = new Set<string>();
  let withRows: boolean | undefined;
  return ({ instanceId, rows }) => {
    withRows ??= rows.length > 0;
    if (rows.length > 0 !== withRows || instances.has(instanceId)) return false;
    instances.add(instanceId);
    return true;
  };
}
