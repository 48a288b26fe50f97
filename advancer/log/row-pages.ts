import type { Row } from '../../src/execution/row.ts';
import { NONE_SEEN, below } from '../../src/request/row-cursor.ts';
import type { DatabaseIdentity, RowCursor, Transactions } from '../../src/request/row-cursor.ts';
import type { Queryable } from './connections.ts';
import {
  commitMark,
  findUnseen,
  newestSeq,
  readMoment,
  rowsOfAll,
  rowsOfInstance,
  rowsOfWindow,
} from './sql/row-pages.ts';
import type { KeyedRows, Moment, PageSize, RowKey, Window } from './sql/row-pages.ts';

export type { PageSize } from './sql/row-pages.ts';

/** Rows of one instance, in order. */
export interface InstancePage {
  rows: Row[];
  /** Whether there were more at that moment. */
  more: boolean;
}

/** Rows of any instances; those of one instance are in order. */
export interface AllPage {
  rows: Row[];
  /** Comes after the rows; undefined if there was nothing after the cursor. */
  next: RowCursor | undefined;
}

/** A cursor cannot be followed; the message continues a sentence after its name. */
export class CursorRefused extends Error {
  override readonly name = 'CursorRefused';
  /** Whether a cursor from now on can be. */
  readonly onlyThisOne: boolean;

  constructor(message: string, onlyThisOne: boolean) {
    super(message);
    this.onlyThisOne = onlyThisOne;
  }
}

/**
 * Pages of rows, for those who watch. Reads throw `LogUnavailable` when Postgres cannot be asked.
 */
export interface RowPages {
  /** The newest seq of an instance, 0 for an empty log; undefined if there is no such instance. */
  newestSeq(instanceId: string): Promise<number | undefined>;
  /** The rows of one instance after a seq. */
  ofInstance(instanceId: string, afterSeq: number, size: PageSize): Promise<InstancePage>;
  /**
   * The rows of all instances after a cursor, or from the oldest row on. Following the cursors
   * gives each row once, the rows of an instance in order, and none is missed, however late it is
   * committed.
   *
   * @throws CursorRefused when the cursor is not of this database, or the database has lost rows
   *   since
   */
  ofAll(cursor: RowCursor | undefined, size: PageSize): Promise<AllPage>;
  /** The cursor after every row that is committed now. */
  now(): Promise<RowCursor>;
}

/** The first range of transaction ids that is searched for rows; later ones are larger. */
const FIRST_RANGE = 1_024;
const RANGE_GROWTH = 8;
/** Before the first row of the first instance. */
const FIRST_KEY: RowKey = { instanceId: '', seq: 0 };
/** A reply comes after this many statements that found nothing to return. */
const MAX_EMPTY_PARTS = 20;

/**
 * The pages in Postgres. README.md, "Reading the whole log", says why no row is missed.
 */
export class PostgresRowPages implements RowPages {
  readonly #db: Queryable;

  constructor(db: Queryable) {
    this.#db = db;
  }

  newestSeq(instanceId: string): Promise<number | undefined> {
    return newestSeq(this.#db, instanceId);
  }

  async ofInstance(instanceId: string, afterSeq: number, size: PageSize): Promise<InstancePage> {
    const { rows, found } = await rowsOfInstance(this.#db, { instanceId, seq: afterSeq }, size);
    return { rows, more: found > rows.length };
  }

  async now(): Promise<RowCursor> {
    const { identity, committed } = await this.#durableMoment();
    return { ...identity, seen: committed };
  }

  async ofAll(cursor: RowCursor | undefined, size: PageSize): Promise<AllPage> {
    if (cursor === undefined) return this.#fromTheOldest(size);
    if (cursor.reading === undefined) return this.#newWindow(cursor, cursor.seen, size);
    const { until, atEnd, ...key } = cursor.reading;
    if (atEnd) return this.#newWindow(cursor, until, size);
    verify(cursor, await readMoment(this.#db), until);
    const page = await this.#ofWindow(cursor, { seen: cursor.seen, until }, key, size);
    return page.next === undefined ? this.#newWindow(cursor, until, size) : page;
  }

  async #fromTheOldest(size: PageSize): Promise<AllPage> {
    const { identity, committed } = await this.#durableMoment();
    return this.#ofWindow(identity, { seen: NONE_SEEN, until: committed }, FIRST_KEY, size);
  }

  /** The rows that were committed since everything in `seen`, from the oldest transaction on. */
  async #newWindow(
    identity: DatabaseIdentity,
    seen: Transactions,
    size: PageSize,
  ): Promise<AllPage> {
    if (seen.xmax === 0) return this.#fromTheOldest(size);
    const { xmax: from, open: late } = seen;
    let end = from + FIRST_RANGE;
    for (;;) {
      const unseen = await findUnseen(this.#db, { from, end, late });
      verify(identity, unseen, seen);
      const { committed, lastXid, lastXidBefore } = unseen;
      const isLast = end >= committed.xmax;
      if (lastXid === undefined) {
        if (isLast) return { rows: [], next: undefined };
        end = from + (end - from) * RANGE_GROWTH;
      } else if (lastXidBefore >= end && !isLast) {
        // A row whose transaction began before that of the row it follows: both belong together.
        end = lastXidBefore + 1;
      } else {
        const until = below(committed, Math.max(from, lastXid + 1));
        return this.#ofWindow(identity, { seen, until }, FIRST_KEY, size, isLast);
      }
    }
  }

  /** The rows of a window after a key; without `next` if there is none. */
  async #ofWindow(
    { database, timeline }: DatabaseIdentity,
    window: Window,
    after: RowKey,
    size: PageSize,
    isLast = false,
  ): Promise<AllPage> {
    const { rows, found, lastVisited } = await this.#rowsOfWindow(window, after, size);
    const newest = rows.at(-1);
    const key = newest ?? lastVisited;
    if (key === undefined) return { rows, next: undefined };
    const { instanceId, seq } = key;
    const atEnd = isLast && found === rows.length;
    const { seen, until } = window;
    const reading = { until, instanceId, seq, atEnd };
    return { rows, next: { database, timeline, seen, reading } };
  }

  async #rowsOfWindow(
    window: Window,
    after: RowKey,
    size: PageSize,
  ): Promise<KeyedRows & { lastVisited?: RowKey | undefined }> {
    if (window.seen.xmax > 0) return rowsOfWindow(this.#db, window, after, size);
    let from = after;
    for (let part = 1; ; part += 1) {
      const page = await rowsOfAll(this.#db, window.until, from, size);
      if (page.rows.length > 0 || page.lastVisited === undefined || part === MAX_EMPTY_PARTS)
        return page;
      from = page.lastVisited;
    }
  }

  /**
   * What is committed, up to a transaction whose id no crash of the server can assign again. A
   * crash may forget that a transaction began, and use its id for another one; an id that counts as
   * seen must not come back.
   */
  async #durableMoment(): Promise<{ identity: DatabaseIdentity; committed: Transactions }> {
    const mark = await commitMark(this.#db);
    const moment = await readMoment(this.#db);
    verifyOrigin(moment);
    const { database, timeline, committed } = moment;
    return { identity: { database, timeline }, committed: below(committed, mark + 1) };
  }
}

/** @throws CursorRefused unless the moment comes after `seen`, in the same database */
function verify(cursor: DatabaseIdentity, moment: Moment, seen: Transactions): void {
  if (cursor.database !== moment.database)
    throw new CursorRefused('is a cursor of another database', true);
  verifyOrigin(moment);
  if (cursor.timeline !== moment.timeline || seen.xmax > moment.committed.xmax) {
    const why =
      'is a cursor from before the database failed over or was restored: rows that it counts as ' +
      'seen may be gone, and others may have taken their place';
    throw new CursorRefused(why, true);
  }
}

function verifyOrigin({ isOrigin }: Moment): void {
  if (isOrigin) return;
  const why =
    'cannot be followed: this database was copied from another Postgres cluster, whose ' +
    'transaction ids mean nothing here; run `leasehold migrate`';
  throw new CursorRefused(why, false);
}
