import { AuditSource } from '../../advancer/log/audit-source.ts';
import { migrate } from '../../advancer/log/migrate.ts';
import { openLog } from '../../advancer/log/postgres-log.ts';
import { recordedTimes } from './recorded-times.ts';
import type { RecordedTimes } from './recorded-times.ts';
import type { Evidence } from '../../src/audit/evidence.ts';
import type { ChaosPorts, LogEvidence } from './ports.ts';
import { parseRunbookValue } from '../../src/runbook/parse.ts';
import { formatProblem } from '../../src/runbook/problem.ts';
import { roleUrl } from '../stack/servers.ts';

const PAGE_SIZE = 200;

/** The log, as chaos needs it. */
export const chaosPorts: ChaosPorts = {
  async migrate(superuserUrl, namespace) {
    await migrate({ url: superuserUrl, namespace });
    return roleUrl(superuserUrl, 'leasehold_app');
  },
  async pushRunbooks(databaseUrl, namespace, documents) {
    const log = openLog({ url: databaseUrl, namespace, appendTimeoutMs: 10_000 });
    try {
      await log.check();
      for (const document of documents) {
        const parsed = parseRunbookValue(document, 'chaos');
        if (!parsed.ok) throw new Error(parsed.problems.map(formatProblem).join('\n'));
        const { runbook, version } = parsed.runbook;
        if ((await log.pushRunbook(parsed.runbook)) === 'conflict') {
          throw new Error(
            `${runbook} version ${version} is stored with other content, by another version of leasehold; use another database`,
          );
        }
      }
    } finally {
      await log.close();
    }
  },
  async readLog(databaseUrl, namespace, { prefix, since }) {
    const times = await recordedTimes(databaseUrl, prefix);
    return {
      postgresVersion: times.postgresVersion,
      instances: timed(databaseUrl, namespace, prefix, since, times),
    };
  },
};

/** The same evidence as an audit's, with its times. */
async function* timed(
  url: string,
  namespace: string,
  prefix: string,
  since: string,
  times: RecordedTimes,
): AsyncGenerator<LogEvidence> {
  const source = await AuditSource.open({ url, namespace, pageSize: PAGE_SIZE }, { since });
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
