import type { Row, WireRow } from '../../../src/execution/row.ts';
import { exactInteger } from '../../../src/ids.ts';
import type { DatabaseIdentity, Transactions } from '../../../src/request/row-cursor.ts';
import type { Queryable } from '../connections.ts';
import { fromWire } from './wire.ts';

/** Rows in order, from a list of keys that may be longer. */
export interface KeyedRows {
  rows: Row[];
  /** How many keys there were, up to one more than the limit. */
  found: number;
}

/** How many rows to return: at most `limit`, and no further one after `maxBytes`. */
export interface PageSize {
  limit: number;
  maxBytes: number;
}

/** A place in the order of instances and seqs. */
export interface RowKey {
  instanceId: string;
  seq: number;
}

interface PageLine {
  found: number;
  row: WireRow | null;
}

/** The keys' rows, from a query `keys (instance_id, seq)` and parameters for limit and bytes. */
const rowsOfKeys = (limit: string, maxBytes: string): string => `
  select k.found, r.row
    from (select count(*)::int as found,
            (array_agg(instance_id order by instance_id, seq))[1:${limit}] as instance_ids,
            (array_agg(seq order by instance_id, seq))[1:${limit}] as seqs
          from keys) k
    left join lateral leasehold.fitting_rows(k.instance_ids, k.seqs, ${maxBytes}) as r (row) on true`;

/** The rows of one instance after a seq. */
export async function rowsOfInstance(
  db: Queryable,
  { instanceId, seq }: RowKey,
  { limit, maxBytes }: PageSize,
): Promise<KeyedRows> {
  const lines = await db.query<PageLine>(
    `with keys as (
       select e.instance_id, e.seq from leasehold.executions e
         where e.instance_id = $1 and e.seq > $2 order by e.seq limit $3::int + 1)
     ${rowsOfKeys('$3', '$4')}`,
    [instanceId, seq, limit, maxBytes],
  );
  return keyedRows(lines);
}

/** The newest seq of an instance, 0 for an empty log; undefined if there is no such instance. */
export async function newestSeq(db: Queryable, instanceId: string): Promise<number | undefined> {
  const [line] = await db.query<{ seq: string }>(
    `select coalesce((select e.seq from leasehold.executions e
         where e.instance_id = i.instance_id order by e.seq desc limit 1), 0) as seq
       from leasehold.instances i where i.instance_id = $1`,
    [instanceId],
  );
  return line && exactInteger(line.seq);
}

/** The database's identity and what is committed at this moment. */
export interface Moment extends DatabaseIdentity {
  /** Whether the transaction ids of the rows were assigned in this cluster. */
  isOrigin: boolean;
  committed: Transactions;
}

interface MomentLine {
  database: string;
  timeline: number;
  isOrigin: boolean | null;
  snapshot: string;
}

/**
 * In one statement, all from its own snapshot. The timeline is the first part of the name of a file
 * of the write-ahead log.
 */
const MOMENT = `
  (select c.system_identifier::text || '-' || d.oid::text
     from pg_control_system() c, pg_database d where d.datname = current_database()) as database,
  ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int as timeline,
  (select m.system_identifier = c.system_identifier
     from leasehold.meta m, pg_control_system() c) as "isOrigin",
  pg_current_snapshot()::text as snapshot`;

/** What is committed now. */
export async function readMoment(db: Queryable): Promise<Moment> {
  const [line] = await db.query<MomentLine>(`select ${MOMENT}`);
  return momentOf(line);
}

/**
 * Commits a transaction that writes nothing but a message into the write-ahead log, and returns its
 * id: after any crash of the server, no id up to this one is assigned again.
 */
export async function commitMark(db: Queryable): Promise<number> {
  const [line] = await db.query<{ xid: string }>(
    `select pg_current_xact_id()::text as xid, pg_logical_emit_message(true, 'leasehold', '')`,
  );
  return exactInteger(line!.xid);
}

/** Rows that are committed and were not seen, with transaction ids in a range. */
export interface Unseen extends Moment {
  /** The highest transaction id among them; undefined if there is none. */
  lastXid: number | undefined;
  /** The highest transaction id of the rows that directly precede them; 0 if there is none. */
  lastXidBefore: number;
}

/**
 * Finds the rows from `from` on and below `end` that are committed, and those of `late`: the
 * transactions that were open when everything below `from` was seen.
 */
export async function findUnseen(
  db: Queryable,
  { from, end, late }: { from: number; end: number; late: readonly number[] },
): Promise<Unseen> {
  const [line] = await db.query<
    MomentLine & { lastXid: string | null; lastXidBefore: string | null }
  >(
    `with unseen as materialized (
       select e.instance_id, e.seq, e.xid from leasehold.executions e
         where e.xid >= $1::bigint and e.xid < $2::bigint
       union all
       select e.instance_id, e.seq, e.xid from leasehold.executions e
         where e.xid = any($3::bigint[]))
     select ${MOMENT},
       (select max(u.xid) from unseen u) as "lastXid",
       (select max(b.xid) from unseen u cross join lateral (
          select b.xid from leasehold.executions b
            where b.instance_id = u.instance_id and b.seq = u.seq - 1 offset 0) b
       ) as "lastXidBefore"`,
    [from, end, late],
  );
  return {
    ...momentOf(line),
    lastXid: line!.lastXid === null ? undefined : exactInteger(line!.lastXid),
    lastXidBefore: exactInteger(line!.lastXidBefore ?? 0),
  };
}

/** Which rows to read: those of the transactions in `until` that are not in `seen`. */
export interface Window {
  seen: Transactions;
  until: Transactions;
}

/** The rows of a window after a key, by instance and seq. */
export async function rowsOfWindow(
  db: Queryable,
  { seen, until }: Window,
  after: RowKey,
  { limit, maxBytes }: PageSize,
): Promise<KeyedRows> {
  const lines = await db.query<PageLine>(
    // Materialized, so that the rows are found by their transactions and not by going through all
    // instances in order.
    `with unseen as materialized (
       select e.instance_id, e.seq from leasehold.executions e
         where e.xid >= $1::bigint and e.xid < $2::bigint and e.xid <> all($3::bigint[])
       union all
       select e.instance_id, e.seq from leasehold.executions e
         where e.xid = any($4::bigint[])),
     keys as (
       select instance_id, seq from unseen
         where (instance_id, seq) > ($5::text, $6::bigint)
         order by instance_id, seq limit $7::int + 1)
     ${rowsOfKeys('$7', '$8')}`,
    [
      seen.xmax,
      until.xmax,
      until.open,
      lateOnes({ seen, until }),
      after.instanceId,
      after.seq,
      limit,
      maxBytes,
    ],
  );
  return keyedRows(lines);
}

/** The transactions that were open in `seen` and are not open in `until`. */
function lateOnes({ seen, until }: Window): number[] {
  const open = new Set(until.open);
  return seen.open.filter((xid) => !open.has(xid));
}

/** How many rows {@link rowsOfAll} looks at in one statement. */
const VISITED = 2_000;

/** Rows by instance and seq, and the last row that was looked at if there are more. */
export interface VisitedRows extends KeyedRows {
  lastVisited: RowKey | undefined;
}

/**
 * The rows of the transactions in `until` after a key, by instance and seq, the ones without a
 * transaction id included. Goes through the table in this order, a part of it at a time.
 */
export async function rowsOfAll(
  db: Queryable,
  until: Transactions,
  after: RowKey,
  { limit, maxBytes }: PageSize,
): Promise<VisitedRows> {
  const lines = await db.query<
    PageLine & { visited: number; lastId: string | null; lastSeq: string | null }
  >(
    `with visited as materialized (
       select e.instance_id, e.seq, e.xid from leasehold.executions e
         where (e.instance_id, e.seq) > ($1::text, $2::bigint)
         order by e.instance_id, e.seq limit ${VISITED}),
     keys as (
       select instance_id, seq from visited
         where xid is null or (xid < $3::bigint and xid <> all($4::bigint[]))
         order by instance_id, seq limit $5::int + 1),
     last as (select * from visited order by instance_id desc, seq desc limit 1)
     select (select count(*)::int from visited) as visited,
       (select instance_id from last) as "lastId", (select seq from last) as "lastSeq", page.*
     from (${rowsOfKeys('$5', '$6')}) page`,
    [after.instanceId, after.seq, until.xmax, until.open, limit, maxBytes],
  );
  const { visited, lastId, lastSeq } = lines[0]!;
  return {
    ...keyedRows(lines),
    lastVisited:
      visited < VISITED ? undefined : { instanceId: lastId!, seq: exactInteger(lastSeq!) },
  };
}

function keyedRows(lines: readonly PageLine[]): KeyedRows {
  return {
    found: lines[0]!.found,
    rows: lines.flatMap(({ row }) => (row === null ? [] : [fromWire(row)])),
  };
}

function momentOf(line: MomentLine | undefined): Moment {
  if (line === undefined) throw new Error('a SELECT without FROM answered no row');
  const { database, timeline, isOrigin, snapshot } = line;
  const [, xmax, open = ''] = snapshot.split(':');
  return {
    database,
    timeline,
    isOrigin: isOrigin === true,
    committed: {
      xmax: exactInteger(xmax!),
      open: open === '' ? [] : open.split(',').map((xid) => exactInteger(xid)),
    },
  };
}
