import { Batches } from '../../src/batches.ts';
import type { Row } from '../../src/execution/row.ts';
import type { FencingToken } from '../../src/ids.ts';
import { storableJson } from '../../src/json.ts';
import type { Json } from '../../src/json.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import { Appends } from './appends.ts';
import { Connections } from './connections.ts';
import { LogUnavailable } from './log.ts';
import type {
  AppendEntry,
  AppendOutcome,
  Claim,
  Instance,
  LateOutcome,
  ListedInstance,
  Log,
  Projection,
  ProjectionLine,
  Refusal,
  Snapshot,
  Unsettled,
} from './log.ts';
import { RunbookCache, versionKey } from './runbook-cache.ts';
import { checkSchema } from './schema-check.ts';
import { prepareAppends } from './sql/append.ts';
import { insertNextClaim, newestClaim } from './sql/claims.ts';
import { insertInstance, instanceIdsAfter, readInstance, readLogs } from './sql/instances.ts';
import { insertLateOutcome, insertRefusal, readLateOutcomes } from './sql/late.ts';
import { listInstances, putLines, putProjection, unsettledInstances } from './sql/projection.ts';
import type { InstanceReading, ReadingWanted } from './sql/instances.ts';
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

/** How to open the log. */
export interface LogOptions {
  /** The application's database URL. */
  url: string;
  /** Names the connections in `pg_stat_activity`; none for the command line. */
  replicaId?: string | undefined;
  /** Must be the one that `migrate` recorded; {@link Log.check} sees to it. */
  namespace: string;
  /**
   * How long a statement may stay unanswered; the server gives it up after three quarters of it.
   * Default 2000.
   */
  appendTimeoutMs?: number | undefined;
}

/**
 * Everything here is looked up by a key, or read along one. Without these the planner would go by
 * what it believes of tables that it has no statistics of yet, and keep to that plan while they
 * grow: it would scan a table for each row of it.
 */
const BY_KEY = ['enable_seqscan=off', 'enable_hashjoin=off', 'enable_mergejoin=off'];
/**
 * What single rows are appended by is the same for all; along which key to list depends on what is
 * asked for.
 */
const ALWAYS_ALIKE = 'plan_cache_mode=force_generic_plan';

/**
 * Every revision of a claim that another writer takes first is progress, so this many in a row
 * never happens.
 */
const MAX_CLAIM_TRIES = 1000;

/** Opens the log. Connections are made as they are needed, so this neither waits nor fails. */
export function openLog(options: LogOptions): PostgresLog {
  return new PostgresLog(options);
}

type Read = { reading: InstanceReading | undefined } | { failed: unknown };

/** The log in Postgres; see the room's README for what it guarantees. */
export class PostgresLog implements Log {
  readonly #namespace: string;
  /**
   * Appends have connections of their own, so that a flood of reads cannot make them wait: one more
   * than there are groups under way, for what is sent alone.
   */
  readonly #writes: Connections;
  readonly #reads: Connections;
  readonly #appends: Appends;
  readonly #runbooks: RunbookCache<Runbook>;
  readonly #readings: Batches<ReadingWanted, Read>;

  constructor(options: LogOptions) {
    const queryTimeoutMs = options.appendTimeoutMs ?? 2000;
    const common = {
      url: options.url,
      applicationName:
        options.replicaId === undefined ? 'leasehold' : `leasehold-${options.replicaId}`,
      queryTimeoutMs,
      statementTimeoutMs: Math.ceil(queryTimeoutMs * 0.75),
      connectTimeoutMs: queryTimeoutMs,
    };
    this.#namespace = options.namespace;
    this.#writes = new Connections({
      ...common,
      max: 4,
      settings: [...BY_KEY, ALWAYS_ALIKE],
    });
    this.#reads = new Connections({ ...common, max: 4, settings: BY_KEY });
    this.#appends = new Appends(this.#writes, this.#reads);
    this.#readings = new Batches({ maxItems: 64, maxInFlight: 2, defer: setImmediate }, (wanted) =>
      this.#readTogether(wanted),
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
  }

  append(entry: AppendEntry): Promise<AppendOutcome> {
    return this.#appends.append(entry);
  }

  instance(instanceId: string): Promise<Instance | undefined> {
    return readInstance(this.#reads, instanceId);
  }

  async snapshot(instanceId: string, requestId?: string): Promise<Snapshot | undefined> {
    const read = await this.#readings.add({ instanceId, requestId });
    if ('failed' in read) throw read.failed;
    const { reading } = read;
    if (reading === undefined) return undefined;
    const { runbookId, version } = reading.instance;
    const runbook = await this.#runbooks.get({ runbookId, version });
    if (runbook !== undefined) return { ...reading, runbook };
    throw new Error(
      `instance ${instanceId} runs ${runbookId} version ${version}, which is not in the log: push that version ` +
        '(leasehold runbook push)',
    );
  }

  /**
   * One that cannot be read (a broken row, one that is too large) fails the statement of all:
   * alone, each has its own.
   */
  async #readTogether(wanted: ReadingWanted[]): Promise<Read[]> {
    try {
      return (await readLogs(this.#reads, wanted)).map((reading) => ({ reading }));
    } catch (failed) {
      if (wanted.length === 1 || failed instanceof LogUnavailable)
        return wanted.map(() => ({ failed }));
      return (await Promise.all(wanted.map((one) => this.#readTogether([one])))).flat();
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

  highestToken(): Promise<FencingToken> {
    return highestToken(this.#reads);
  }

  runbook(runbookId: string, version?: number): Promise<Runbook | undefined> {
    return readRunbook(this.#reads, runbookId, version);
  }

  async pushRunbook(runbook: Runbook): Promise<'created' | 'exists' | 'conflict'> {
    const stored = storableJson(runbook as unknown as Json) as unknown as Runbook;
    const digest = runbookDigest(stored);
    if (await insertRunbook(this.#reads, stored, digest)) return 'created';
    return (await readDigest(this.#reads, stored.runbook, stored.version)) === digest
      ? 'exists'
      : 'conflict';
  }

  runbooks(): Promise<
    { runbookId: string; version: number; digest: string; recordedAt: string }[]
  > {
    return listRunbooks(this.#reads);
  }

  async startInstance(instance: Instance): Promise<{ instance: Instance; created: boolean }> {
    const created = await insertInstance(this.#reads, {
      ...instance,
      inputs: storableJson(instance.inputs),
    });
    if (created !== undefined) return { instance: created, created: true };
    const stored = await readInstance(this.#reads, instance.instanceId);
    if (stored !== undefined) return { instance: stored, created: false };
    throw new Error(
      `instance ${instance.instanceId} names ${instance.runbookId} version ${instance.version}, which is not in the log`,
    );
  }

  async claim(claim: {
    claimId: string;
    status: string;
    agentId: string;
    evidence: Json;
  }): Promise<Claim> {
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

  /**
   * Puts what was derived at `lastSeq` into the projection; nothing happens when the log has moved
   * on.
   */
  putProjection(instanceId: string, lastSeq: number, projection: Projection): Promise<void> {
    return putProjection(this.#reads, instanceId, lastSeq, projection);
  }

  check(): Promise<void> {
    return checkSchema(this.#reads, this.#namespace);
  }

  /**
   * {@link Log.check}, and opens all connections that it may use and prepares them for what a burst
   * will ask of them, so that it has to wait for neither.
   */
  async open(): Promise<void> {
    await this.check();
    await Promise.all([
      prepareAppends(this.#writes),
      this.#reads.onAll(() => readLogs(this.#reads, [])),
    ]);
  }

  async close(): Promise<void> {
    await Promise.all([this.#writes.close(), this.#reads.close()]);
  }
}
