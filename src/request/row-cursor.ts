import { isId } from '../ids.ts';

/**
 * A set of transactions: those below `xmax`, except the ones in `open`. As a snapshot of Postgres,
 * it is what was committed at one moment.
 */
export interface Transactions {
  xmax: number;
  /** Below `xmax`, in order. */
  open: readonly number[];
}

/** The database that transaction ids belong to. */
export interface DatabaseIdentity {
  /** Of the Postgres cluster, and of the database in it. */
  database: string;
  /** Of the write-ahead log: another one after each failover or restore. */
  timeline: number;
}

/**
 * A place in the rows of all instances: which of them come before it.
 *
 * All rows of the transactions in `seen` do, and of those in `reading.until` the ones whose
 * instance and seq come first, up to that place.
 */
export interface RowCursor extends DatabaseIdentity {
  seen: Transactions;
  reading?: {
    until: Transactions;
    instanceId: string;
    /** 0: no row of this instance yet. */
    seq: number;
    /** Whether it is the last row of `until`, and there was no other one when it was read. */
    atEnd: boolean;
  };
}

/** A cursor that comes before every row: no transaction has been seen. */
export const NONE_SEEN: Transactions = { xmax: 0, open: [] };

/** No cursor is longer. Thousands of transactions would have to be open at once. */
export const MAX_CURSOR_CHARACTERS = 32 * 1024;

const FORM = '1';
const END = 'end';
const TRANSACTIONS = /^(\d{1,16})((?:_\d{1,16})*)$/;

/** The cursor as the text that replies give and requests take. */
export function formatCursor({ database, timeline, seen, reading }: RowCursor): string {
  const parts = [FORM, database, timeline, formatTransactions(seen)];
  if (reading !== undefined) {
    parts.push(formatTransactions(reading.until), reading.instanceId, reading.seq);
    if (reading.atEnd) parts.push(END);
  }
  return parts.join('.');
}

/** Reads what {@link formatCursor} wrote; undefined for any other text. */
export function parseCursor(text: string): RowCursor | undefined {
  const [form, database, timeline, seenText, untilText, instanceId, seqText, end, ...more] =
    text.split('.');
  const seen = parseTransactions(seenText);
  if (form !== FORM || !/^\d{1,20}-\d{1,10}$/.test(database ?? '') || seen === undefined)
    return undefined;
  const cursor = { database: database!, timeline: wholeNumber(timeline), seen };
  if (Number.isNaN(cursor.timeline)) return undefined;
  if (untilText === undefined) return cursor;
  const until = parseTransactions(untilText);
  const seq = wholeNumber(seqText);
  const isWhole = until !== undefined && !Number.isNaN(seq) && more.length === 0;
  const isNamed = isId(instanceId) || (instanceId === '' && seq === 0);
  if (!isWhole || !isNamed || (end !== undefined && end !== END)) return undefined;
  return { ...cursor, reading: { until, instanceId, seq, atEnd: end === END } };
}

/**
 * The cursor after a row of a page, from the cursor after the page's last row. The page's own
 * cursor is the text that came with it.
 */
export function cursorAfter(next: string, row: { instance_id: string; seq: number }): string {
  return [...next.split('.').slice(0, 5), row.instance_id, row.seq].join('.');
}

/** Whether there was no further row when the page with this cursor was read. */
export function isAtEnd(next: string): boolean {
  return next.endsWith(`.${END}`);
}

/** The transactions of the set that are below `xmax`. */
export function below({ xmax, open }: Transactions, end: number): Transactions {
  if (end >= xmax) return { xmax, open };
  return { xmax: end, open: open.filter((xid) => xid < end) };
}

/** Ids of open transactions are written as their distance from the end, which is short. */
function formatTransactions({ xmax, open }: Transactions): string {
  return [xmax, ...open.map((xid) => xmax - xid)].join('_');
}

function parseTransactions(text: string | undefined): Transactions | undefined {
  const [, xmaxText, distances] = TRANSACTIONS.exec(text ?? '') ?? [];
  const xmax = wholeNumber(xmaxText);
  if (distances === undefined || !Number.isSafeInteger(xmax)) return undefined;
  const open = distances
    .split('_')
    .slice(1)
    .map((distance) => xmax - Number(distance));
  const isSound = open.every((xid) => xid >= 0 && xid < xmax);
  return isSound ? { xmax, open: open.toSorted((a, b) => a - b) } : undefined;
}

function wholeNumber(text: string | undefined): number {
  const value = /^\d{1,16}$/.test(text ?? '') ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : Number.NaN;
}
