import { isRefusal } from './connections.ts';
import type { Queryable } from './connections.ts';
import { preparedEntry } from './entry.ts';
import { LogUnavailable } from './log.ts';
import type { AppendEntry, AppendOutcome } from './log.ts';
import { judgeRefused } from './outcome.ts';
import { insertEntries, readBack } from './sql/append.ts';

interface Waiting {
  entry: AppendEntry;
  settle: (outcome: AppendOutcome | Promise<AppendOutcome>) => void;
}

/**
 * So many under way keep the server busy while the next one fills; more only make the groups
 * smaller.
 */
const MAX_GROUPS_IN_FLIGHT = 3;
const MAX_GROUP_SIZE = 64;

/**
 * Sends appends, those that come at once in one statement.
 *
 * An idle log sends an entry in the same turn of the event loop; a busy one gathers what arrives
 * while three groups are under way. A group shares its fate only where nothing is known (time-out,
 * broken connection): then each of its entries is `unknown`, and is sent alone from there on until
 * it is settled, so that one entry which waits for somebody's open transaction cannot hold the
 * others up again and again.
 */
export class Appends {
  readonly #writes: Queryable;
  readonly #reads: Queryable;
  #waiting: Waiting[] = [];
  #groupsInFlight = 0;
  #scheduled = false;
  /** Instances whose last append is unknown. */
  readonly #unsettled = new Set<string>();

  constructor(writes: Queryable, reads: Queryable) {
    this.#writes = writes;
    this.#reads = reads;
  }

  /** See `Log.append`. */
  async append(raw: AppendEntry): Promise<AppendOutcome> {
    const entry = preparedEntry(raw);
    const outcome = this.#unsettled.has(entry.instanceId)
      ? await this.#sendAlone(entry)
      : await new Promise<AppendOutcome>((settle) => {
          this.#waiting.push({ entry, settle });
          this.#schedule();
        });
    if (outcome.kind === 'unknown') this.#unsettled.add(entry.instanceId);
    else this.#unsettled.delete(entry.instanceId);
    return outcome;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // At the end of this turn, when everything that the turn brings is there.
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#groupsInFlight < MAX_GROUPS_IN_FLIGHT && this.#waiting.length > 0) {
        this.#groupsInFlight += 1;
        void this.#sendGroup(this.#takeGroup()).then(() => {
          this.#groupsInFlight -= 1;
          this.#schedule();
        });
      }
    });
  }

  /**
   * The first in the queue, at most one of each instance: a group's entries must not depend on one
   * another. Receipts without rows go by themselves: the guard takes other locks for them.
   */
  #takeGroup(): Waiting[] {
    const group: Waiting[] = [];
    const rest: Waiting[] = [];
    const instances = new Set<string>();
    const withRows = (this.#waiting[0]?.entry.rows.length ?? 0) > 0;
    for (const one of this.#waiting) {
      const { instanceId, rows } = one.entry;
      const fits = rows.length > 0 === withRows && !instances.has(instanceId);
      if (fits && group.length < MAX_GROUP_SIZE) {
        instances.add(instanceId);
        group.push(one);
      } else {
        rest.push(one);
      }
    }
    this.#waiting = rest;
    return group;
  }

  async #sendGroup(group: Waiting[]): Promise<void> {
    const [only] = group;
    if (group.length === 1 && only !== undefined) {
      const outcome = this.#sendAlone(only.entry);
      only.settle(outcome);
      await outcome.catch(() => undefined);
      return;
    }
    try {
      const written = await insertEntries(
        this.#writes,
        group.map((one) => one.entry),
      );
      group.forEach(({ settle }, index) => settle({ kind: 'appended', rows: written[index]! }));
    } catch (cause) {
      // One entry that Postgres refuses fails the statement of all: alone, each gets its own
      // answer.
      const unknown = cause instanceof LogUnavailable;
      for (const { entry, settle } of group) {
        settle(unknown ? { kind: 'unknown', cause } : this.#sendAlone(entry));
      }
    }
  }

  async #sendAlone(entry: AppendEntry): Promise<AppendOutcome> {
    try {
      const [rows] = await insertEntries(this.#writes, [entry]);
      return { kind: 'appended', rows: rows! };
    } catch (cause) {
      if (cause instanceof LogUnavailable) return { kind: 'unknown', cause };
      if (isRefusal(cause) && (cause.code.startsWith('LH') || cause.code === '23505')) {
        return this.#judge(entry, cause);
      }
      throw new Error(
        `Postgres refused an append to instance ${entry.instanceId}: ${String(cause)}`,
        {
          cause,
        },
      );
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
