import { randomBytes } from 'node:crypto';

import { Client, DatabaseError } from 'pg';
import { beforeAll, onTestFinished } from 'vitest';

import type { AppendEntry, AppendOutcome, NewInstance } from '../../../../advancer/log/log.ts';
import { migrate } from '../../../../advancer/log/migrate.ts';
import { openLog } from '../../../../advancer/log/postgres-log.ts';
import type { LogOptions, PostgresLog } from '../../../../advancer/log/postgres-log.ts';
import type { NewRow, RowKind } from '../../../../src/execution/row.ts';
import type { Outcome, Receipt } from '../../../../src/request/receipt.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';
import { freshDatabase } from '../../../harness/servers.ts';

/** A migrated database that only this test file uses. */
export interface LogDatabase {
  namespace: string;
  superuserUrl: string;
  ownerUrl: string;
  appUrl: string;
}

export const NAMESPACE = 'log-tests';

export const RUNBOOK: Runbook = {
  runbook: 'refund',
  version: 1,
  inputs: [],
  cells: [{ id: 'a', prose: 'text' }],
};

/** The URL of the same database for another role. */
export function urlAs(url: string, role: string): string {
  const other = new URL(url);
  other.username = role;
  other.password = '';
  return other.toString();
}

/** @param statementTimeoutMs long enough for a busy machine, unless a test needs a time-out */
export async function logDatabase(statementTimeoutMs = 15_000): Promise<LogDatabase> {
  const superuserUrl = await freshDatabase();
  await migrate({ url: superuserUrl, namespace: NAMESPACE });
  await setForApp(superuserUrl, 'statement_timeout', `${statementTimeoutMs}ms`);
  return databaseOf(superuserUrl, NAMESPACE);
}

/** A database that every test of a file uses. It is there before the first of them. */
export function databaseOfFile(statementTimeoutMs?: number): LogDatabase {
  const database = { namespace: '', superuserUrl: '', ownerUrl: '', appUrl: '' };
  beforeAll(async () => {
    Object.assign(database, await logDatabase(statementTimeoutMs));
  });
  return database;
}

/** A database whose role has the time limit that replicas expect. */
export function replicaDatabase(): Promise<LogDatabase> {
  return logDatabase(1_500);
}

/** Changes a setting of the application's role in that database, for connections from now on. */
export async function setForApp(superuserUrl: string, name: string, value: string): Promise<void> {
  const client = new Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    const database = new URL(superuserUrl).pathname.slice(1);
    await client.query(
      `alter role leasehold_app in database "${database}" set ${name} to '${value}'`,
    );
  } finally {
    await client.end();
  }
}

/** The database of that URL, migrated or not. */
export function databaseOf(superuserUrl: string, namespace: string): LogDatabase {
  return {
    namespace,
    superuserUrl,
    ownerUrl: urlAs(superuserUrl, 'leasehold_owner'),
    appUrl: urlAs(superuserUrl, 'leasehold_app'),
  };
}

/** A connection for plain SQL, closed when the test is over. */
export async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** The log as a replica sees it, closed when the test is over. */
export function log(database: LogDatabase, options: Partial<LogOptions> = {}): PostgresLog {
  const opened = openLog({
    url: database.appUrl,
    replicaId: 'r-00000001',
    namespace: database.namespace,
    // Long enough for a busy machine; tests that need a time-out set a shorter one.
    appendTimeoutMs: 20_000,
    ...options,
  });
  onTestFinished(() => opened.close());
  return opened;
}

/** The log with the time limit of a replica, which the settings of the session must fit. */
export function replicaLog(database: LogDatabase, options: Partial<LogOptions> = {}): PostgresLog {
  return log(database, { appendTimeoutMs: 2_000, ...options });
}

/** The log of a fresh database in which {@link RUNBOOK} is stored. */
export async function logWithRunbook(): Promise<{ database: LogDatabase; replica: PostgresLog }> {
  const database = await logDatabase();
  const replica = log(database);
  await replica.pushRunbook(RUNBOOK);
  return { database, replica };
}

/** An id that no other test uses. */
export function freshId(prefix = 'i'): string {
  return `${prefix}-${randomBytes(8).toString('hex')}`;
}

export function newRow(
  instanceId: string,
  seq: number,
  kind: RowKind,
  over: Partial<NewRow> = {},
): NewRow {
  return {
    instanceId,
    seq,
    kind,
    fencingToken: 10,
    replicaId: 'r-00000001',
    cellId: 'a',
    attempt: 1,
    requestId: null,
    agentId: 'tester',
    body: {},
    ...over,
  };
}

export function newReceipt(
  requestId: string,
  instanceId: string,
  over: Partial<Receipt> = {},
): Receipt {
  return {
    requestId,
    instanceId,
    outcome: 'advanced',
    steps: [],
    nextCellId: 'b',
    holder: null,
    ...over,
  };
}

/** An entry of these rows, under the token and the replica of the first one. */
export function entryOf(rows: readonly NewRow[], over: Partial<AppendEntry> = {}): AppendEntry {
  return {
    instanceId: rows[0]?.instanceId ?? '',
    fencingToken: rows[0]?.fencingToken ?? 10,
    replicaId: rows[0]?.replicaId ?? 'r-00000001',
    rows,
    projection: { status: 'running', nextCellId: 'a' },
    ...over,
  };
}

/** A receipt without rows. */
export function receiptEntry(
  instanceId: string,
  requestId: string,
  lastSeq: number,
  over: Partial<AppendEntry> = {},
): AppendEntry {
  return entryOf([], {
    instanceId,
    receipt: {
      requestId,
      agentId: 'tester',
      lastSeq,
      receipt: newReceipt(requestId, instanceId),
    },
    ...over,
  });
}

export function newInstance(over: Partial<NewInstance> = {}): NewInstance {
  return {
    instanceId: freshId(),
    runbookId: RUNBOOK.runbook,
    version: 1,
    inputs: { n: 1 },
    agentId: 'me',
    ...over,
  };
}

/** Sends the entry again until the outcome is definite, as callers do. */
export async function appendUntilDefinite(
  replica: PostgresLog,
  entry: AppendEntry,
): Promise<AppendOutcome> {
  for (;;) {
    const outcome = await replica.append(entry);
    if (outcome.kind !== 'unknown') return outcome;
  }
}

/** Inserts one row by plain SQL. */
export async function insertRow(client: Client, row: NewRow): Promise<number | null> {
  const result = await client.query(
    `insert into leasehold.executions
       (instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt, request_id, agent_id, body)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [
      row.instanceId,
      row.seq,
      row.fencingToken,
      row.replicaId,
      row.kind,
      row.cellId,
      row.attempt,
      row.requestId,
      row.agentId,
      JSON.stringify(row.body),
    ],
  );
  return result.rowCount;
}

/** A transaction of another writer that has inserted the first row of the instance. */
export async function openRival(url: string, instanceId: string): Promise<Client> {
  const rival = await connect(url);
  await rival.query('begin');
  await insertRow(rival, newRow(instanceId, 1, 'started', { replicaId: 'other' }));
  return rival;
}

/** Inserts one receipt by plain SQL. */
export async function insertReceipt(
  client: Client,
  receipt: {
    requestId: string;
    instanceId: string;
    lastSeq: number;
    fencingToken?: number;
    outcome?: Outcome;
  },
): Promise<number | null> {
  const result = await client.query(
    `insert into leasehold.requests (request_id, instance_id, fencing_token, last_seq, receipt)
     values ($1, $2, $3, $4, $5)`,
    [
      receipt.requestId,
      receipt.instanceId,
      receipt.fencingToken ?? 10,
      receipt.lastSeq,
      JSON.stringify(
        newReceipt(receipt.requestId, receipt.instanceId, {
          outcome: receipt.outcome ?? 'advanced',
        }),
      ),
    ],
  );
  return result.rowCount;
}

/** The SQLSTATE that the statement fails with; `ok` when it succeeds. */
export async function codeOf(statement: Promise<unknown>): Promise<string> {
  try {
    await statement;
    return 'ok';
  } catch (error) {
    if (error instanceof DatabaseError && error.code !== undefined) return error.code;
    throw error;
  }
}

/** Resolves once `count` other sessions of this database wait for a lock. */
export async function waitForBlocked(client: Client, count = 1): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const { rows } = await client.query<{ blocked: string }>(
      `select count(*) as blocked from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and wait_event_type = 'Lock'`,
    );
    if (Number(rows[0]!.blocked) >= count) return;
    if (performance.now() > deadline) throw new Error('no session waited for a lock within 60 s');
  }
}
