import { Client } from 'pg';

import type { Evidence, RecordedClaim } from '../../src/audit/evidence.ts';
import { readChildEvidence } from './audit-children.ts';
import { byInstance, claimKey, evidenceOf, type PinnedRunbook } from './audit-page.ts';
import { isRefusal, type Queryable } from './connections.ts';
import type { ScheduleEvidence } from '../../src/audit/schedule-checks.ts';
import { scheduleEvidence } from './audit-schedules.ts';
import { DatabaseTarget } from './database-target.ts';
import { COLUMN_TYPES } from './json-columns.ts';
import { RunbookCache, versionKey, type RunbookVersion } from './runbook-cache.ts';
import { checkSchema } from './schema-check.ts';
import { readSchemaState } from './sql/append.ts';
import {
  auditClaims,
  auditFrame,
  auditInstances,
  auditLateOutcomes,
  auditRefusals,
  auditRows,
  beginAudit,
  endAudit,
  nextIds,
  nextReceipts,
  ownersOfReceipts,
  type AuditScope,
  type ReceiptLine,
  type RowLine,
} from './sql/audit.ts';
import { auditParents } from './sql/audit-children.ts';
import { auditTickOrigins } from './sql/audit-schedules.ts';
import { readRunbooks, runbookDigest } from './sql/runbooks.ts';

/** How to reach the log that is to be audited. */
export interface AuditSourceOptions {
  url: string;
  /** Refuses a database of another namespace; undefined accepts any. */
  namespace?: string | undefined;
  /** Instances per page. Default 1,000. */
  pageSize?: number | undefined;
}

/** What an audit knows before it reads the first instance. */
export interface AuditFrame {
  namespace: string;
  /** How many instances the log has in all. */
  instances: number;
  /** ISO 8601, by the database's clock: the moment of the snapshot that the audit reads. */
  now: string;
}

/** An open snapshot. */
interface AuditSnapshot {
  client: Client;
  db: Queryable;
  frame: AuditFrame;
  pageSize: number;
}

const PAGE_SIZE = 1_000;
/** How many receipts are fetched from the cursor at once. */
const RECEIPTS_PER_FETCH = 2_000;
/** Longer than any sort of a large log takes to give its first line. */
const QUERY_TIMEOUT_MS = 30 * 60_000;
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Reads the whole log, page by page, as it was at one moment: one read-only transaction on one
 * snapshot, so that rows, receipts and projection agree however many replicas write meanwhile.
 * Memory holds two pages.
 */
export class AuditSource {
  readonly frame: AuditFrame;
  readonly #client: Client;
  readonly #db: Queryable;
  readonly #pageSize: number;
  readonly #runbooks: RunbookCache<PinnedRunbook>;
  #receipts: ReceiptLine[] = [];
  #receiptsAt = 0;
  #moreReceipts = true;

  private constructor({ client, db, frame, pageSize }: AuditSnapshot) {
    this.#client = client;
    this.#db = db;
    this.frame = frame;
    this.#pageSize = pageSize;
    this.#runbooks = new RunbookCache((wanted) => readPinned(db, wanted));
  }

  /**
   * Connects, checks that the database has this program's schema, and opens the snapshot.
   *
   * @throws LogUnavailable when Postgres does not answer
   * @throws LogMismatch when the database is not one that this program knows
   */
  static async open(options: AuditSourceOptions, scope: AuditScope = {}): Promise<AuditSource> {
    const target = new DatabaseTarget(options.url);
    const client = await connect(target);
    const db = queryableOf(client, target);
    try {
      const namespace = options.namespace ?? (await namespaceOf(db));
      await checkSchema(db, namespace);
      await beginAudit(db, scope);
      const frame = { namespace, ...(await auditFrame(db)) };
      return new AuditSource({ client, db, frame, pageSize: options.pageSize ?? PAGE_SIZE });
    } catch (cause) {
      await client.end().catch(ignore);
      throw cause;
    }
  }

  /**
   * The evidence of every instance in scope, page by page. The next page is read while the caller
   * checks the present one.
   */
  async *pages(): AsyncGenerator<Evidence[]> {
    let reading = this.#read();
    for (;;) {
      const page = await reading;
      if (page.length === 0) return;
      reading = this.#read();
      // A caller that leaves the loop early does not wait for it.
      reading.catch(ignore);
      yield page;
    }
  }

  /** The evidence of every schedule, some ticks at a time. Not while pages are read. */
  schedules(): AsyncGenerator<ScheduleEvidence> {
    return scheduleEvidence(this.#db);
  }

  /** Ends the snapshot and the connection; calling it again is harmless. */
  async close(): Promise<void> {
    await endAudit(this.#db).catch(ignore);
    await this.#client.end().catch(ignore);
  }

  async #read(): Promise<Evidence[]> {
    const db = this.#db;
    const ids = await nextIds(db, this.#pageSize);
    if (ids.length === 0) return [];
    const instances = await auditInstances(db, ids);
    const rows = byInstance(await auditRows(db, ids));
    const lateOutcomes = byInstance(await auditLateOutcomes(db, ids));
    const refusals = byInstance(await auditRefusals(db, ids));
    const receipts = byInstance(await this.#receiptsOf(new Set(ids)));
    const receiptOwners = await this.#ownersOf(rows, receipts);
    const claims = await this.#claimsIn(rows);
    const children = await readChildEvidence(db, this.#runbooks, ids);
    const parents = await auditParents(db, ids);
    const tickOrigins = await auditTickOrigins(db, ids);
    const runbooks = await this.#runbooks.getAll(
      instances.map((line) => ({ runbookId: line.runbook_id, version: line.version })),
    );
    const { now } = this.frame;
    return evidenceOf({
      ids,
      instances,
      rows,
      receipts,
      lateOutcomes,
      refusals,
      receiptOwners,
      claims,
      children,
      parents,
      tickOrigins,
      runbooks,
      now,
    });
  }

  /** The receipts cursor is in the order of the ids, so a page's receipts come next. */
  async #receiptsOf(ids: ReadonlySet<string>): Promise<ReceiptLine[]> {
    const found: ReceiptLine[] = [];
    for (;;) {
      if (this.#receiptsAt === this.#receipts.length) {
        if (!this.#moreReceipts) return found;
        this.#receipts = await nextReceipts(this.#db, RECEIPTS_PER_FETCH);
        this.#receiptsAt = 0;
        this.#moreReceipts = this.#receipts.length === RECEIPTS_PER_FETCH;
        continue;
      }
      const head = this.#receipts[this.#receiptsAt]!;
      if (!ids.has(head.instance_id)) return found;
      found.push(head);
      this.#receiptsAt += 1;
    }
  }

  /** For requests with rows here but no receipt: the instances that their receipts belong to. */
  async #ownersOf(
    rows: ReadonlyMap<string, RowLine[]>,
    receipts: ReadonlyMap<string, ReceiptLine[]>,
  ): Promise<Map<string, string>> {
    const open = new Set<string>();
    for (const [instanceId, lines] of rows) {
      const here = new Set(receipts.get(instanceId)?.map((line) => line.request_id));
      for (const { request_id: id } of lines) if (id !== null && !here.has(id)) open.add(id);
    }
    if (open.size === 0) return new Map();
    const owners = await ownersOfReceipts(this.#db, [...open]);
    return new Map(owners.map((line) => [line.request_id, line.instance_id]));
  }

  /** The revisions of claims that `satisfied` rows name. */
  async #claimsIn(rows: ReadonlyMap<string, RowLine[]>): Promise<Map<string, RecordedClaim>> {
    const seen = new Map<string, { claimId: string; revision: number }>();
    for (const { kind, body } of [...rows.values()].flat()) {
      const { claimId, revision } = body;
      if (kind !== 'satisfied' || typeof claimId !== 'string' || !isInt4(revision)) continue;
      seen.set(claimKey(claimId, revision), { claimId, revision });
    }
    if (seen.size === 0) return new Map();
    const wanted = [...seen.values()];
    const lines = await auditClaims(
      this.#db,
      wanted.map(({ claimId }) => claimId),
      wanted.map(({ revision }) => revision),
    );
    return new Map(lines.map((line) => [claimKey(line.claim_id, line.revision), line]));
  }
}

async function readPinned(
  db: Queryable,
  wanted: readonly RunbookVersion[],
): Promise<Map<string, PinnedRunbook>> {
  const stored = await readRunbooks(db, wanted);
  return new Map(
    stored.map(({ runbook, digest }) => [
      versionKey({ runbookId: runbook.runbook, version: runbook.version }),
      { runbook, digest: { recorded: digest, computed: runbookDigest(runbook) } },
    ]),
  );
}

async function connect(target: DatabaseTarget): Promise<Client> {
  target.verifyFiles();
  const client = new Client({
    ...target.clientConfig(),
    application_name: 'leasehold-audit',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    types: COLUMN_TYPES,
  });
  // A connection that breaks is reported by the query under way, or the next one.
  client.on('error', ignore);
  try {
    await client.connect();
    return client;
  } catch (cause) {
    throw target.unavailable(cause);
  }
}

function queryableOf(client: Client, target: DatabaseTarget): Queryable {
  return {
    async query<R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> {
      try {
        return (await client.query<R>(text, [...values])).rows;
      } catch (cause) {
        throw isRefusal(cause) ? cause : target.unavailable(cause);
      }
    },
  };
}

/** The database's own namespace; when there is none, the schema check says what to do. */
async function namespaceOf(db: Queryable): Promise<string> {
  try {
    return (await readSchemaState(db)).namespace ?? '';
  } catch (cause) {
    if (isRefusal(cause)) return '';
    throw cause;
  }
}

function isInt4(value: unknown): value is number {
  return (
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 2_147_483_647
  );
}

function ignore(): void {
  // Reported by the query under way.
}
