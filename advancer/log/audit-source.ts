import { Client } from 'pg';

import type { Evidence } from '../../src/audit/evidence.ts';
import type { Row } from '../../src/execution/row.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import { isRefusal, type Queryable } from './connections.ts';
import { LogUnavailable } from './log.ts';
import { checkSchema } from './schema-check.ts';
import { readSchemaState } from './sql/append.ts';
import {
  auditClaims,
  auditFrame,
  auditInstances,
  auditLateOutcomes,
  auditRefusals,
  auditRows,
  auditRunbooks,
  beginAudit,
  endAudit,
  nextIds,
  nextReceipts,
  ownersOfReceipts,
  type AuditScope,
  type InstanceLine,
  type ReceiptLine,
  type RowLine,
} from './sql/audit.ts';
import { runbookDigest } from './sql/runbooks.ts';

/** How to reach the log that is to be audited. */
export interface AuditSourceOptions {
  url: string;
  /** Refuses a database of another namespace; undefined takes whichever it is. */
  namespace?: string | undefined;
  /** Instances a page. Default 1,000. */
  pageSize?: number | undefined;
}

/** What an audit has before it reads the first instance. */
export interface AuditFrame {
  namespace: string;
  /** How many instances the log has in all. */
  instances: number;
  /** ISO 8601, by the database's clock: the moment that the whole audit looks at. */
  now: string;
}

const PAGE_SIZE = 1_000;
/** How many receipts are taken from the cursor at once. */
const RECEIPTS_AT_ONCE = 2_000;
/** Longer than any sort of a large log takes to give its first line. */
const QUERY_TIMEOUT_MS = 30 * 60_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** Versions of runbooks kept at once; beyond that they are read again. */
const MAX_RUNBOOKS = 1_000;

interface PinnedRunbook {
  runbook: Runbook;
  digest: { recorded: string; computed: string };
}

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
  readonly #runbooks = new Map<string, PinnedRunbook>();
  #receipts: ReceiptLine[] = [];
  #receiptsAt = 0;
  #moreReceipts = true;

  private constructor(client: Client, db: Queryable, frame: AuditFrame, pageSize: number) {
    this.#client = client;
    this.#db = db;
    this.frame = frame;
    this.#pageSize = pageSize;
  }

  /**
   * Connects, checks that the database has this program's schema, and opens the snapshot.
   *
   * @throws LogUnavailable when Postgres does not answer
   * @throws LogMismatch when the database is not one that this program knows
   */
  static async open(options: AuditSourceOptions, scope: AuditScope = {}): Promise<AuditSource> {
    const client = await connect(options.url);
    const db = queryableOf(client);
    try {
      const namespace = options.namespace ?? (await namespaceOf(db));
      await checkSchema(db, namespace);
      await beginAudit(db, scope);
      const frame = { namespace, ...(await auditFrame(db)) };
      return new AuditSource(client, db, frame, options.pageSize ?? PAGE_SIZE);
    } catch (cause) {
      await client.end().catch(ignore);
      throw cause;
    }
  }

  /**
   * The evidence of every instance in scope, page by page. The next page is read while the caller
   * looks at one.
   */
  async *pages(): AsyncGenerator<Evidence[]> {
    let reading = this.#read();
    for (;;) {
      const page = await reading;
      if (page.length === 0) return;
      reading = this.#read();
      // Who leaves the loop early does not wait for it.
      reading.catch(ignore);
      yield page;
    }
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
    const records = new Map(
      (await auditInstances(db, ids)).map((line) => [line.instance_id, line]),
    );
    const rows = grouped(await auditRows(db, ids));
    const late = grouped(await auditLateOutcomes(db, ids));
    const refusals = grouped(await auditRefusals(db, ids));
    const receipts = grouped(await this.#receiptsOf(new Set(ids)));
    const elsewhere = await this.#ownersOf(rows, receipts);
    const claims = await this.#claimsSeen(rows);
    await this.#fetchRunbooks([...records.values()]);
    return ids.map((instanceId): Evidence => {
      const record = records.get(instanceId);
      const pinned = record && this.#runbooks.get(runbookKey(record.runbook_id, record.version));
      const own = rows.get(instanceId) ?? [];
      return {
        instanceId,
        instance: record && {
          runbookId: record.runbook_id,
          version: record.version,
          inputs: record.inputs,
        },
        runbook: pinned?.runbook,
        digest: pinned?.digest,
        rows: own.map(rowOf),
        receipts: (receipts.get(instanceId) ?? []).map((line) => ({
          requestId: line.request_id,
          instanceId,
          receipt: line.receipt,
          fencingToken: Number(line.fencing_token),
          lastSeq: Number(line.last_seq),
        })),
        lateOutcomes: (late.get(instanceId) ?? []).map((line) => ({
          cellId: line.cell_id,
          attempt: line.attempt,
          fencingToken: Number(line.fencing_token),
          replicaId: line.replica_id,
          kind: line.kind,
          body: line.body,
        })),
        refusals: (refusals.get(instanceId) ?? []).map((line) => ({
          seq: Number(line.seq),
          fencingToken: Number(line.fencing_token),
          replicaId: line.replica_id,
          kind: line.kind,
        })),
        receiptsElsewhere: receiptsElsewhere(instanceId, own, elsewhere),
        claims: (claimId, revision) => claims.get(`${claimId}/${revision}`),
        projection: projectionOf(record),
        now: this.frame.now,
      };
    });
  }

  /** Receipts come in the order of the ids, so a page's are those at the head. */
  async #receiptsOf(ids: ReadonlySet<string>): Promise<ReceiptLine[]> {
    const found: ReceiptLine[] = [];
    for (;;) {
      if (this.#receiptsAt === this.#receipts.length) {
        if (!this.#moreReceipts) return found;
        this.#receipts = await nextReceipts(this.#db, RECEIPTS_AT_ONCE);
        this.#receiptsAt = 0;
        this.#moreReceipts = this.#receipts.length === RECEIPTS_AT_ONCE;
        continue;
      }
      const head = this.#receipts[this.#receiptsAt]!;
      if (!ids.has(head.instance_id)) return found;
      found.push(head);
      this.#receiptsAt += 1;
    }
  }

  /** Whose the receipts are of requests that have rows here and no receipt. */
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

  async #claimsSeen(rows: ReadonlyMap<string, RowLine[]>) {
    const seen = new Map<string, { claimId: string; revision: number }>();
    for (const { kind, body } of [...rows.values()].flat()) {
      const { claimId, revision } = body;
      if (kind !== 'satisfied' || typeof claimId !== 'string' || !isInt4(revision)) continue;
      seen.set(`${claimId}/${revision}`, { claimId, revision });
    }
    if (seen.size === 0) return new Map<string, never>();
    const wanted = [...seen.values()];
    const lines = await auditClaims(
      this.#db,
      wanted.map(({ claimId }) => claimId),
      wanted.map(({ revision }) => revision),
    );
    return new Map(lines.map((line) => [`${line.claim_id}/${line.revision}`, line]));
  }

  async #fetchRunbooks(records: readonly InstanceLine[]): Promise<void> {
    const missing = new Map<string, InstanceLine>();
    for (const line of records) {
      const key = runbookKey(line.runbook_id, line.version);
      if (!this.#runbooks.has(key)) missing.set(key, line);
    }
    if (missing.size === 0) return;
    if (this.#runbooks.size > MAX_RUNBOOKS) {
      this.#runbooks.clear();
      return this.#fetchRunbooks(records);
    }
    const wanted = [...missing.values()];
    const lines = await auditRunbooks(
      this.#db,
      wanted.map((line) => line.runbook_id),
      wanted.map((line) => line.version),
    );
    for (const line of lines) {
      const { runbook_id: id, version, cells, digest } = line;
      const runbook: Runbook = { runbook: id, version, cells, inputs: line.inputs as string[] };
      this.#runbooks.set(runbookKey(id, version), {
        runbook,
        digest: { recorded: digest, computed: runbookDigest(runbook) },
      });
    }
  }
}

async function connect(url: string): Promise<Client> {
  const client = new Client({
    connectionString: url,
    application_name: 'leasehold-audit',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
  });
  // A connection that breaks is reported by the query under way, or the next one.
  client.on('error', ignore);
  try {
    await client.connect();
    return client;
  } catch (cause) {
    throw unavailable(cause);
  }
}

function queryableOf(client: Client): Queryable {
  return {
    async query<R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> {
      try {
        return (await client.query<R>(text, [...values])).rows;
      } catch (cause) {
        throw isRefusal(cause) ? cause : unavailable(cause);
      }
    },
  };
}

/** The database's own namespace; where there is none, the check of the schema says what to do. */
async function namespaceOf(db: Queryable): Promise<string> {
  try {
    return (await readSchemaState(db)).namespace ?? '';
  } catch (cause) {
    if (isRefusal(cause)) return '';
    throw cause;
  }
}

function rowOf(line: RowLine): Row {
  return {
    instanceId: line.instance_id,
    seq: Number(line.seq),
    fencingToken: Number(line.fencing_token),
    replicaId: line.replica_id,
    kind: line.kind,
    cellId: line.cell_id,
    attempt: line.attempt,
    requestId: line.request_id,
    agentId: line.agent_id,
    body: line.body,
    recordedAt: line.recorded_at,
  };
}

function projectionOf(record: InstanceLine | undefined): Evidence['projection'] {
  if (record?.status === undefined || record.status === null) return null;
  return {
    status: record.status,
    nextCellId: record.next_cell_id,
    lastSeq: Number(record.last_seq),
  };
}

function receiptsElsewhere(
  instanceId: string,
  rows: readonly RowLine[],
  owners: ReadonlyMap<string, string>,
): Map<string, string> {
  const elsewhere = new Map<string, string>();
  for (const { request_id: id } of rows) {
    const owner = id === null ? undefined : owners.get(id);
    if (id !== null && owner !== undefined && owner !== instanceId) elsewhere.set(id, owner);
  }
  return elsewhere;
}

function grouped<L extends { instance_id: string }>(lines: readonly L[]): Map<string, L[]> {
  const groups = new Map<string, L[]>();
  for (const line of lines) {
    const group = groups.get(line.instance_id);
    if (group === undefined) groups.set(line.instance_id, [line]);
    else group.push(line);
  }
  return groups;
}

function runbookKey(runbookId: string, version: number): string {
  return `${runbookId}@${version}`;
}

function isInt4(value: unknown): value is number {
  return (
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 2_147_483_647
  );
}

function unavailable(cause: unknown): LogUnavailable {
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new LogUnavailable(`Postgres does not answer: ${reason}`, { cause });
}

function ignore(): void {
  // Reported where it matters.
}
