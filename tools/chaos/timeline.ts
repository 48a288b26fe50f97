import type { Row } from '../../src/execution/row.ts';
import type { Json } from '../../src/json.ts';
import type { LogEvidence } from './log-access.ts';
import type { InstanceTimeline } from './record.ts';

type Mark = InstanceTimeline['marks'][number];

/**
 * What happened to one instance during the run, from its log.
 *
 * @param atMs converts an ISO 8601 time to milliseconds since the run began
 */
export function timelineOf(log: LogEvidence, atMs: (iso: string) => number): InstanceTimeline {
  const { evidence } = log;
  return {
    instanceId: evidence.instanceId,
    terms: termsOf(evidence.rows, atMs),
    attempts: attemptsOf(evidence.rows, atMs),
    marks: marksOf(log, atMs).sort((a, b) => a.atMs - b.atMs),
  };
}

function termsOf(rows: readonly Row[], atMs: (iso: string) => number): InstanceTimeline['terms'] {
  const terms: InstanceTimeline['terms'] = [];
  for (const { replicaId, fencingToken, recordedAt } of rows) {
    const last = terms.at(-1);
    if (last?.fencingToken === fencingToken) last.toMs = atMs(recordedAt);
    else terms.push({ replicaId, fencingToken, fromMs: atMs(recordedAt), toMs: atMs(recordedAt) });
  }
  return terms;
}

function attemptsOf(
  rows: readonly Row[],
  atMs: (iso: string) => number,
): InstanceTimeline['attempts'] {
  const attempts: InstanceTimeline['attempts'] = [];
  for (const { kind, cellId, attempt, replicaId, fencingToken, recordedAt, body } of rows) {
    if (kind === 'started') {
      const fromMs = atMs(recordedAt);
      attempts.push({ cellId, attempt, replicaId, fencingToken, fromMs, toMs: null, end: 'open' });
    } else if (kind === 'completed' || kind === 'failed' || kind === 'interrupted') {
      const own = attempts.findLast((one) => one.cellId === cellId && one.attempt === attempt);
      if (own === undefined) continue;
      own.toMs = atMs(recordedAt);
      own.end = kind === 'interrupted' ? `interrupted: ${asText(body['reason'])}` : kind;
    }
  }
  return attempts;
}

function marksOf(log: LogEvidence, atMs: (iso: string) => number): Mark[] {
  const { evidence, receiptTimes, lateTimes, refusalTimes, refusalReasons } = log;
  const marks: Mark[] = [];
  const mark = (what: Mark['what'], iso: string | undefined, text: string): void => {
    if (iso !== undefined) marks.push({ atMs: atMs(iso), what, text });
  };
  for (const { kind, cellId, attempt, recordedAt, body } of evidence.rows) {
    const name = `${cellId} attempt ${attempt}`;
    if (kind === 'interrupted') mark('doubt', recordedAt, `${name}: ${asText(body['reason'])}`);
    if (kind === 'decided')
      mark('decision', recordedAt, `${name}: ${asText(body['as'])} by ${asText(body['by'])}`);
    if (kind === 'unwinding' || kind === 'cancelled')
      mark('cancel', recordedAt, `${kind} by ${asText(body['by'])}`);
  }
  evidence.receipts.forEach(({ requestId, receipt }, index) => {
    const what = receipt.outcome === 'parked' ? 'parked' : 'receipt';
    mark(what, receiptTimes[index], `${requestId}: ${receipt.outcome}`);
  });
  evidence.lateOutcomes.forEach(({ cellId, attempt, kind, replicaId }, index) => {
    mark(
      'late_outcome',
      lateTimes[index],
      `${cellId} attempt ${attempt}: ${kind}, reported by ${replicaId}`,
    );
  });
  evidence.refusals.forEach(({ kind, seq, fencingToken, replicaId }, index) => {
    const why = refusalReasons[index] ?? '';
    mark(
      'refused_write',
      refusalTimes[index],
      `${kind} at seq ${seq} by ${replicaId} under token ${fencingToken}: ${why}`,
    );
  });
  return marks;
}

function asText(value: Json | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}

/** A score: higher for instances with interruptions, decisions, refused writes or many terms. */
export function interest({ evidence }: LogEvidence): number {
  const kinds = evidence.rows.map(({ kind }) => kind);
  const terms = new Set(evidence.rows.map(({ fencingToken }) => fencingToken)).size;
  const doubts = kinds.filter((kind) => kind === 'interrupted' || kind === 'decided').length;
  return 5 * (evidence.refusals.length + evidence.lateOutcomes.length) + 2 * doubts + terms;
}
