import { AuditSource } from '../../advancer/log/audit-source.ts';
import { recordedTimes } from './recorded-times.ts';
import type { RecordedTimes } from './recorded-times.ts';
import type { Evidence } from '../../src/audit/evidence.ts';

/** Everything the log has about a run. */
export interface LogReading {
  /** The Postgres server's version, such as 15.18. */
  postgresVersion: string;
  /** One instance after another. */
  instances: AsyncIterable<LogEvidence>;
}

/** The log's evidence of one instance, with the times that a timeline needs. */
export interface LogEvidence {
  evidence: Evidence;
  /**
   * ISO 8601 times of `evidence.receipts`, `evidence.lateOutcomes` and `evidence.refusals`, each in
   * that list's order.
   */
  receiptTimes: readonly string[];
  lateTimes: readonly string[];
  refusalTimes: readonly string[];
  /** The reasons of `evidence.refusals`, in the same order. */
  refusalReasons: readonly string[];
}

/** Which log to read, and which instances. */
export interface ReadLogOptions {
  databaseUrl: string;
  namespace: string;
  /** Only instances whose id begins with this. */
  prefix: string;
  /** ISO 8601: none of these instances has anything recorded earlier. */
  since: string;
}

const PAGE_SIZE = 200;

/** Reads the same evidence as `leasehold audit`, with the times. */
export async function readLog(options: ReadLogOptions): Promise<LogReading> {
  const times = await recordedTimes(options.databaseUrl, options.prefix);
  return { postgresVersion: times.postgresVersion, instances: readInstances(options, times) };
}

async function* readInstances(
  { databaseUrl, namespace, prefix, since }: ReadLogOptions,
  times: RecordedTimes,
): AsyncGenerator<LogEvidence> {
  const source = await AuditSource.open(
    { url: databaseUrl, namespace, pageSize: PAGE_SIZE },
    { since },
  );
  try {
    for await (const page of source.pages()) {
      for (const evidence of page)
        if (evidence.instanceId.startsWith(prefix)) yield withTimes(evidence, times);
    }
  } finally {
    await source.close();
  }
}

function withTimes(evidence: Evidence, times: RecordedTimes): LogEvidence {
  const { instanceId, receipts, lateOutcomes, refusals } = evidence;
  const refused = refusals.map(({ seq, fencingToken, replicaId, kind }) =>
    times.refusals.get([instanceId, seq, fencingToken, replicaId, kind].join('/')),
  );
  return {
    evidence,
    receiptTimes: receipts.map(({ requestId }) => times.receipts.get(requestId) ?? ''),
    lateTimes: lateOutcomes.map(
      ({ cellId, attempt, kind }) =>
        times.lateOutcomes.get([instanceId, cellId, attempt, kind].join('/')) ?? '',
    ),
    refusalTimes: refused.map((one) => one?.at ?? ''),
    refusalReasons: refused.map((one) => one?.reason ?? ''),
  };
}
