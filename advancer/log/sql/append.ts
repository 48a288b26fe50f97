import { stampedRow, type NewRow, type Row, type WireRow } from '../../../src/execution/row.ts';
import { exactInteger } from '../../../src/ids.ts';
import type { Receipt } from '../../../src/request/receipt.ts';
import type { Queryable } from '../connections.ts';
import { guardedRequests, lastSeqOf } from '../entry.ts';
import type { AppendEntry, NewReceipt, ProjectionLine } from '../log.ts';
import type { ReadBack } from '../outcome.ts';
import { PARAMETERS, rowsFrom, type Form } from './arrays.ts';
import { valueOfRests } from './due.ts';
import { LINE, restsOf, updateOfLines, valuesOfLines } from './projection.ts';
import { WIRE_ROW, fromWire } from './wire.ts';

/**
 * Writes entries of different instances in one statement: all of them or, when Postgres refuses
 * any, none.
 *
 * Rows, receipts and the lines of the projection are one statement, so one round trip and one
 * commit. Entries are sorted by instance, so that two writers that meet on several instances lock
 * them in the same order.
 *
 * @param entries all with rows, or all receipts without rows; see the guard's note on deadlocks
 * @returns the recorded rows of each entry
 * @throws DatabaseError with the guard's code, or 23505 where a key is taken
 */
export async function insertEntries(
  db: Queryable,
  entries: readonly AppendEntry[],
): Promise<Row[][]> {
  const ordered = entries.toSorted((a, b) => (a.instanceId < b.instanceId ? -1 : 1));
  const rows: NewRow[] = [];
  const receipts: { instanceId: string; fencingToken: number; receipt: NewReceipt }[] = [];
  const lines: ProjectionLine[] = [];
  for (const entry of ordered) {
    const { instanceId, fencingToken, rows: own, receipt, projection } = entry;
    for (const row of own) rows.push(row);
    if (projection !== undefined) lines.push({ instanceId, lastSeq: lastSeqOf(entry), projection });
    if (receipt !== undefined) receipts.push({ instanceId, fencingToken, receipt });
  }
  const rests = restsOf(lines);
  const form: Form =
    rows.length === 1 && receipts.length <= 1 && lines.length <= 1 ? 'one' : 'many';
  const { text, number, json } = PARAMETERS[form];
  const rowValues = [
    text(rows.map((row) => row.instanceId)),
    number(rows.map((row) => row.seq)),
    number(rows.map((row) => row.fencingToken)),
    text(rows.map((row) => row.replicaId)),
    text(rows.map((row) => row.kind)),
    text(rows.map((row) => row.cellId)),
    number(rows.map((row) => row.attempt)),
    text(rows.map((row) => row.requestId)),
    text(rows.map((row) => row.agentId)),
    json(rows.map((row) => row.body)),
  ];
  const receiptValues = [
    text(receipts.map(({ receipt }) => receipt.requestId)),
    text(receipts.map(({ instanceId }) => instanceId)),
    number(receipts.map(({ fencingToken }) => fencingToken)),
    number(receipts.map(({ receipt }) => receipt.lastSeq)),
    json(receipts.map(({ receipt }) => receipt.receipt)),
    text(receipts.map(({ receipt }) => receipt.agentId)),
  ];
  const [line] = await db.query<{ times: string | null }>(
    statementFor(form, { lines: lines.length, receipts: receipts.length, rests: rests.length }),
    [
      ...rowValues,
      ...(lines.length > 0 ? valuesOfLines(lines, form) : []),
      ...(receipts.length > 0 ? receiptValues : []),
      ...(rests.length > 0 ? [valueOfRests(rests)] : []),
    ],
  );
  const times = line?.times?.split(',') ?? [];
  if (times.length !== rows.length)
    throw new Error(`${rows.length} rows were sent, ${times.length} answered`);
  const recorded = new Map<AppendEntry, Row[]>();
  let nth = 0;
  for (const entry of ordered) {
    const stamped = entry.rows.map((row) => stampedRow(row, isoTime(times[nth++]!)));
    recorded.set(entry, stamped);
  }
  return entries.map((entry) => recorded.get(entry)!);
}

/**
 * Converts a time in Postgres' text format (`2030-01-31 12:00:00.12+00`) to ISO 8601 with
 * microseconds, as `iso8601` in the database does.
 */
function isoTime(text: string): string {
  const seconds = text.slice(0, 19);
  return `${seconds.slice(0, 10)}T${seconds.slice(11)}.${text.slice(20, -3).padEnd(6, '0')}Z`;
}

const ROW = ['text', 'bigint', 'bigint', 'text', 'text', 'text', 'int', 'text', 'text', 'jsonb'];
const RECEIPT = ['text', 'text', 'bigint', 'bigint', 'jsonb', 'text'];

/** RETURNING keeps the order of the rows. */
const recorded = (form: Form): string => `
  recorded as (
    insert into leasehold.executions
        (instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt, request_id, agent_id, body)
      ${rowsFrom(1, ROW, form)}
      returning recorded_at)`;

/** Either all entries have rows or none has; a single row passed by its values exists. */
const WITH_ROWS = { one: 'true', many: `$1 <> '{}'` };

const receipted = (first: number, form: Form): string => `
  receipted as (
    insert into leasehold.requests
        (request_id, instance_id, fencing_token, last_seq, receipt, agent_id, with_rows)
      select r.*, ${WITH_ROWS[form]} from (${rowsFrom(first, RECEIPT, form)}) r)`;

const projected = (first: number, form: Form): string =>
  `projected as (${updateOfLines(first, form)})`;

/** One text with all times is parsed faster than a line per time. */
const TIMES = {
  one: `recorded_at::text as times`,
  many: `string_agg(recorded_at::text, ',') as times`,
};

/** What brings unattended instances back; evaluated once. */
const rested = (nth: number): string =>
  `(select leasehold_projection.put_unattended($${nth}::jsonb)) as rested`;

/**
 * Leaves out parts without work: with the guard's check, an empty part costs as much as one row.
 */
function statementFor(
  form: Form,
  { lines, receipts, rests }: { lines: number; receipts: number; rests: number },
): string {
  const statements = rests > 0 ? WITH_RESTS : STATEMENTS;
  return statements[form][lines > 0 ? 1 : 0][receipts > 0 ? 1 : 0];
}

const STATEMENTS = { one: statementsFor('one', false), many: statementsFor('many', false) };
/** Of unattended instances. */
const WITH_RESTS = { one: statementsFor('one', true), many: statementsFor('many', true) };

function statementsFor(form: Form, withRests: boolean) {
  const rows = recorded(form);
  const afterRows = ROW.length + 1;
  const afterLines = afterRows + LINE.length;
  const lines = projected(afterRows, form);
  const select = (next: number): string =>
    `select ${TIMES[form]}${withRests ? `, ${rested(next)}` : ''} from recorded`;
  return [
    [
      `with ${rows} ${select(afterRows)}`,
      `with ${rows}, ${receipted(afterRows, form)} ${select(afterRows + RECEIPT.length)}`,
    ],
    [
      `with ${rows}, ${lines} ${select(afterLines)}`,
      `with ${rows}, ${receipted(afterLines, form)}, ${lines} ${select(afterLines + RECEIPT.length)}`,
    ],
  ] as const;
}

/**
 * Makes a connection parse and plan the statements of {@link insertEntries} and of the guard, by
 * running them with nothing to write: the first append need not wait for that.
 */
export async function prepareAppends(db: Queryable): Promise<void> {
  const nothing = { one: null, many: '{}' };
  for (const form of ['one', 'many'] as const) {
    for (const text of STATEMENTS[form].flat()) {
      const parameters = new Set(text.match(/\$\d+/g)).size;
      const values = Array.from({ length: parameters }, () => nothing[form]);
      await db.query(text, values);
    }
  }
}

/**
 * What is in an entry's place now: the rows at its seqs and the one before, the newest row, and its
 * requests' receipts.
 */
export async function readBack(db: Queryable, entry: AppendEntry): Promise<ReadBack> {
  const first = entry.rows[0]?.seq ?? 0;
  const [line] = await db.query<{
    rows: WireRow[];
    newest: WireRow | null;
    receipts: { requestId: string; receipt: Receipt }[];
  }>(
    `select
       (select coalesce(json_agg(${WIRE_ROW} order by e.seq), '[]') from leasehold.executions e
          where e.instance_id = $1 and e.seq between $2::bigint - 1 and $3) as rows,
       (select ${WIRE_ROW} from leasehold.executions e
          where e.instance_id = $1 order by e.seq desc limit 1) as newest,
       (select coalesce(json_agg(json_build_object('requestId', r.request_id, 'receipt', r.receipt)), '[]')
          from leasehold.requests r where r.request_id = any($4)) as receipts`,
    [entry.instanceId, first, entry.rows.at(-1)?.seq ?? -1, guardedRequests(entry)],
  );
  if (line === undefined) throw new Error('a SELECT without FROM answered no row');
  return {
    rows: line.rows.map(fromWire),
    newest: line.newest === null ? undefined : fromWire(line.newest),
    receipts: line.receipts,
  };
}

/** What a database is, its migrations, and every text of a function that was applied to it. */
interface SchemaState {
  namespace: string | null;
  /** Its own encoding, whatever the connection's is. */
  encoding: string;
  /** Whether it is a standby. */
  recovering: boolean;
  /** Whether this session may not write. */
  readOnly: boolean;
  applied: { version: number; name: string; checksum: string }[];
  functions: { name: string; checksum: string }[];
}

/** Reads {@link SchemaState} in one round trip: a replica waits for it before it may lead. */
export async function readSchemaState(db: Queryable): Promise<SchemaState> {
  const [line] = await db.query<SchemaState>(
    `select (select namespace from leasehold.meta) as namespace,
       current_setting('server_encoding') as encoding, pg_is_in_recovery() as recovering,
       current_setting('transaction_read_only') = 'on' as "readOnly",
       (select coalesce(json_agg(json_build_object('version', version, 'name', name, 'checksum', checksum)
           order by version), '[]') from leasehold.migrations) as applied,
       (select coalesce(json_agg(json_build_object('name', name, 'checksum', checksum)), '[]')
           from leasehold.functions) as functions`,
  );
  if (line === undefined) throw new Error('a SELECT without FROM answered no row');
  return {
    ...line,
    applied: line.applied.map((m) => ({ ...m, version: exactInteger(m.version) })),
  };
}
