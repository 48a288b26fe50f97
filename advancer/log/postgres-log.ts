import { Batches } from '../../src/batches.ts';
import type { Due } from '../../src/execution/await.ts';
import type { Row } from '../../src/execution/row.ts';
import { storable, storableJson } from '../../src/json.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import { Appends } from './appends.ts';
import type { Children } from './children.ts';
import { ClaimRecords } from './claim-records.ts';
import type { DueLines } from './due.ts';
import { Connections, type ConnectionOptions } from './connections.ts';
import { once } from './once.ts';
import type { LogOptions } from './log-options.ts';
import { LogUnavailable } from './log.ts';
import type {
  AppendEntry,
  AppendOutcome,
  Claim,
  Instance,
  NewInstance,
  LateOutcome,
  ListedInstance,
  ListedRunbook,
  Log,
  NewClaim,
  Projection,
  ProjectionLine,
  Refusal,
  Snapshot,
  TokenPlace,
  Unsettled,
  WaitReading,
} from './log.ts';
import { PostgresChildren } from './postgres-children.ts';
import { PostgresDue } from './postgres-due.ts';
import { PostgresRowPages, type RowPages } from './row-pages.ts';
import { PostgresSchedules } from './postgres-schedules.ts';
import { PostgresRequests } from './postgres-requests.ts';
import type { Requests } from './requests.ts';
import { RunbookCache, versionKey } from './runbook-cache.ts';
import { checkRole, checkRoleAlone, type RolePolicy } from './role-check.ts';
import { checkSchema } from './schema-check.ts';
import type { Schedules } from './schedules.ts';
import { prepareAppends } from './sql/append.ts';
import { insertNextClaim, newestClaim, readWait } from './sql/claims.ts';
import { insertInstance, instanceIdsAfter, readInstance, readSnapshots } from './sql/instances.ts';
import { insertLateOutcome, insertRefusal, readLateOutcomes } from './sql/late.ts';
import { listInstances, putLines, putProjection, unsettledInstances } from './sql/projection.ts';
import type { LogSnapshot, SnapshotQuery } from './sql/instances.ts';
import type { ListFilter } from './sql/projection.ts';
import { receiptOf } from './sql/receipts.ts';
import { highestToken, newestRow, rowsAfter } from './sql/rows.ts';
import {
  insertRunbook,
  listRunbooks,
  readDigest,
  readRunbook,
  readRunbooks,
  runbookDigest,
} from './sql/runbooks.ts';

export type { LogOptions } from './log-options.ts';

/**
 * Each time another writer takes a claim's revision first, that writer has made progress, so this
 * many times in a row never happens.
 */
const MAX_CLAIM_TRIES = 1000;

/** Opens the log. Connections are opened when needed, so this neither waits nor fails. */
export function openLog(options: LogOptions): PostgresLog {
  return new PostgresLog(options);
}

/** A read that failed is a value, because `Batches` may not reject. */
type SnapshotResult = { snapshot: LogSnapshot | undefined } | { failed: unknown };

/** The log in Postgres; see the room's README for what it guarantees. */
export class PostgresLog implements Log {
  readonly children: Children;
  readonly due: DueLines;
  /** What people read about claims. */
  readonly claimRecords: ClaimRecords;
  readonly pages: RowPages;
  readonly schedules: Schedules;
  readonly requests: Requests;
  readonly #common: ConnectionOptions;
  readonly #namespace: string;
  /**
   * Appends have separate connections, so that reads cannot make them wait: one more than there are
   * batches in flight, for entries that are sent alone.
   */
  readonly #writes: Connections;
  readonly #reads: Connections;
  readonly #appends: Appends;
  readonly #runbooks: RunbookCache<Runbook>;
  readonly #snapshots: Batches<SnapshotQuery, SnapshotResult>;

  constructor(options: LogOptions) {
    const queryTimeoutMs = options.appendTimeoutMs ?? 2000;
    const common = {
      url: options.url,
      applicationName:
        options.replicaId === undefined ? 'leasehold' : `leasehold-${options.replicaId}`,
      queryTimeoutMs,
      connectTimeoutMs: queryTimeoutMs,
      ownSettings: options.ownSettings,
      onWarning: once(options.onWarning),
      max: 4,
    };
    this.#common = common;
    this.#namespace = options.namespace;
    this.#writes = new Connections(common);
    this.#reads = new Connections(common);
    this.#appends = new Appends(this.#writes, this.#reads);
    this.#snapshots = new Batches(
      { maxItems: 64, maxInFlight: 2, defer: setImmediate },
      (queries) => this.#readTogether(queries),
    );
    this.#runbooks = new RunbookCache(async (wanted) => {
      const stored = await readRunbooks(this.#reads, wanted);
      return new Map(
        stored.map(({ runbook }) => [
          versionKey({ runbookId: runbook.runbook, version: runbook.version }),
          runbook,
        ]),
      );
    });
    this.children = new PostgresChildren(this.#reads, this.#runbooks);
    this.due = new PostgresDue(this.#reads);
    this.claimRecords = new ClaimRecords(this.#reads);
    this.pages = new PostgresRowPages(this.#reads);
    this.schedules = new PostgresSchedules(this.#reads, this.#runbooks);
    this.requests = new PostgresRequests(this.#reads);
  }

  append(entry: AppendEntry): Promise<AppendOutcome> {
    return this.#appends.append(entry);
  }

  instance(instanceId: string): Promise<Instance | undefined> {
    return readInstance(this.#reads, instanceId);
  }

  async snapshot(instanceId: string, requestId?: string): Promise<Snapshot | undefined> {
    const read = await this.#snapshots.add({ instanceId, requestId });
    if ('failed' in read) throw read.failed;
    const { snapshot } = read;
    if (snapshot === undefined) return undefined;
    const { runbookId, version } = snapshot.instance;
    const runbook = await this.#runbooks.get({ runbookId, version });
    if (runbook !== undefined) return { ...snapshot, runbook };
    throw new Error(
      `instance ${instanceId} runs ${runbookId} version ${version}, which is not in the log: push that version ` +
        '(leasehold runbook push)',
    );
  }

  /**
   * An instance that cannot be read (a broken row, a log that is too large) fails the statement for
   * all: alone, each gets its own result.
   */
  async #readTogether(queries: SnapshotQuery[]): Promise<SnapshotResult[]> {
    try {
      return (await readSnapshots(this.#reads, queries)).map((snapshot) => ({ snapshot }));
    } catch (failed) {
      if (queries.length === 1 || failed instanceof LogUnavailable)
        return queries.map(() => ({ failed }));
      return (await Promise.all(queries.map((one) => this.#readTogether([one])))).flat();
    }
  }

  rowsAfter(instanceId: string, afterSeq: number): Promise<Row[]> {
    return rowsAfter(this.#reads, instanceId, afterSeq);
  }

  newestRow(instanceId: string): Promise<Row | undefined> {
    return newestRow(this.#reads, instanceId);
  }

  receipt(requestId: string): Promise<Receipt | undefined> {
    return receiptOf(this.#reads, requestId);
  }

  highestToken(): Promise<TokenPlace | undefined> {
    return highestToken(this.#reads);
  }

  runbook(runbookId: string, version?: number): Promise<Runbook | undefined> {
    return readRunbook(this.#reads, runbookId, version);
  }

  async pushRunbook(runbook: Runbook): Promise<'created' | 'exists' | 'conflict'> {
    const stored = storable(runbook);
    const digest = runbookDigest(stored);
    if (await insertRunbook(this.#reads, stored, digest)) return 'created';
    return (await readDigest(this.#reads, stored.runbook, stored.version)) === digest
      ? 'exists'
      : 'conflict';
  }

  runbooks(): Promise<ListedRunbook[]> {
    return listRunbooks(this.#reads);
  }

  async startInstance(instance: NewInstance): Promise<{ instance: Instance; created: boolean }> {
    const wanted = { ...instance, inputs: storableJson(instance.inputs) };
    const created = await insertInstance(this.#reads, wanted);
    if (created !== undefined) return { instance: created, created: true };
    const stored = await readInstance(this.#reads, instance.instanceId);
    if (stored !== undefined) return { instance: stored, created: false };
    throw new Error(
      `instance ${instance.instanceId} names ${instance.runbookId} version ${instance.version}, which is not in the log`,
    );
  }

  async claim(claim: NewClaim): Promise<Claim> {
    const next = { ...claim, evidence: storableJson(claim.evidence) };
    for (let attempt = 0; attempt < MAX_CLAIM_TRIES; attempt += 1) {
      const recorded = await insertNextClaim(this.#reads, next);
      if (recorded !== undefined) return recorded;
    }
    throw new LogUnavailable(
      `claim ${claim.claimId} was revised by others ${MAX_CLAIM_TRIES} times in a row`,
    );
  }

  claimStatus(claimId: string): Promise<Claim | undefined> {
    return newestClaim(this.#reads, claimId);
  }

  readWait(claimId: string | undefined, due: Due): Promise<WaitReading> {
    return readWait(this.#reads, claimId, due);
  }

  lateOutcomes(instanceId: string, cellId: string, attempt: number): Promise<LateOutcome[]> {
    return readLateOutcomes(this.#reads, instanceId, cellId, attempt);
  }

  addLateOutcome(late: LateOutcome): Promise<void> {
    return insertLateOutcome(this.#reads, { ...late, body: storableJson(late.body) });
  }

  addRefusal(refusal: Refusal): Promise<void> {
    return insertRefusal(this.#reads, { ...refusal, reason: storableJson(refusal.reason) });
  }

  unsettled(limit: number, quietMs: number, after?: Unsettled): Promise<Unsettled[]> {
    return unsettledInstances(this.#reads, limit, quietMs, after);
  }

  project(lines: readonly ProjectionLine[]): Promise<void> {
    return putLines(this.#writes, lines);
  }

  list(filter: ListFilter): Promise<ListedInstance[]> {
    return listInstances(this.#reads, filter);
  }

  /** Ids of instances after `after` ('' for the first), in order. */
  instanceIdsAfter(after: string, limit: number): Promise<string[]> {
    return instanceIdsAfter(this.#reads, after, limit);
  }

  /** Writes the projection derived at `lastSeq`; has no effect when the log has moved on. */
  putProjection(instanceId: string, lastSeq: number, projection: Projection): Promise<void> {
    return putProjection(this.#reads, instanceId, lastSeq, projection);
  }

  async check(): Promise<void> {
    await this.#reads.verifySettings();
    await checkSchema(this.#reads, this.#namespace);
  }

  /**
   * Does {@link Log.check}, and prepares the appends on their first connection.
   *
   * @param role which roles may use the log; see {@link checkRole}
   */
  async open(role: RolePolicy): Promise<void> {
    try {
      await this.check();
    } catch (cause) {
      await checkRoleAlone(this.#common, role);
      throw cause;
    }
    await checkRole(this.#reads, role);
    await prepareAppends(this.#writes);
  }

  async close(): Promise<void> {
    await Promise.all([this.#writes.close(), this.#reads.close()]);
  }
}
