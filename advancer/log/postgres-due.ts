import type { Queryable } from './connections.ts';
import type { DueFound, DueInstance, DueLines, RestLine, Wake } from './due.ts';
import {
  deleteServedWakes,
  deleteWakes,
  dueAfter,
  findDue,
  putRests,
  recheckUnattended,
  wokenBy,
} from './sql/due.ts';

/** What is due, in Postgres. */
export class PostgresDue implements DueLines {
  readonly #db: Queryable;

  constructor(db: Queryable) {
    this.#db = db;
  }

  find(limit: number): Promise<DueFound> {
    return findDue(this.#db, limit);
  }

  dueAfter(after: DueInstance, limit: number): Promise<DueInstance[]> {
    return dueAfter(this.#db, after, limit);
  }

  woken(wake: Wake, limit: number, after?: string): Promise<string[]> {
    return wokenBy(this.#db, wake, limit, after);
  }

  put(lines: readonly RestLine[]): Promise<void> {
    return putRests(this.#db, lines);
  }

  forget(wakeIds: readonly string[]): Promise<void> {
    return deleteWakes(this.#db, wakeIds);
  }

  forgetServed(wakeIds: readonly string[]): Promise<void> {
    return deleteServedWakes(this.#db, wakeIds);
  }

  recheck(after: string, limit: number): Promise<{ last: string | undefined; found: number }> {
    return recheckUnattended(this.#db, after, limit);
  }
}
