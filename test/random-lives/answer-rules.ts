import type { LogRow } from '../random-cells/attribution.ts';
import { shown } from './ending-rules.ts';
import type { Evidence } from './evidence.ts';
import type { Report } from './rules.ts';
import { codeOf, isResult, type Exchange } from './wire.ts';

/** Outcomes of receipts that the log keeps. */
const RECORDED = ['completed', 'advanced', 'parked', 'halted', 'in_doubt', 'cancelled'];

/** What agents were told, against the log. */
export function answerRules(
  evidence: Evidence,
  breach: Report,
  seen: (what: string) => void,
): void {
  checkDecisions(evidence, breach, seen);
  checkCancels(evidence, breach, seen);
  checkReceipts(evidence, breach);
}

function checkDecisions({ rows, told }: Evidence, breach: Report, seen: (w: string) => void): void {
  const place = (cellId: unknown, attempt: unknown): string =>
    `${String(cellId)}/${String(attempt)}`;
  const decisions = told.filter(({ verb }) => verb === 'decide');
  const placeOf = ({ body }: Exchange): string => place(body['cellId'], body['attempt']);
  for (const where of new Set(decisions.map(placeOf))) {
    const asked = decisions.filter((one) => placeOf(one) === where);
    const inLog = rows.filter(
      (row) => row.kind === 'decided' && place(row.cellId, row.attempt) === where,
    );
    const byAgents = inLog.filter(({ body }) => !String(body['by']).startsWith('@'));
    if (byAgents.length > 1)
      breach('one-decision-counts', `${where} is decided ${byAgents.length} times`);
    const counted = asked.filter(({ reply }) => isResult(reply));
    const seqs = new Set(counted.map(({ reply }) => Number(reply?.['seq'])));
    if (seqs.size > 1) breach('one-decision-counts', `agents were told seqs ${[...seqs].join()}`);
    if (new Set(counted.map(({ agentId }) => agentId)).size > 1)
      breach('one-decision-counts', `two agents were told that theirs counts for ${where}`);
    for (const one of counted) checkDecision(one, rows, breach);
    const conflicts = asked.filter(({ reply }) => codeOf(reply) === 'conflict');
    if (counted.length > 0 && conflicts.length > 0) seen('of two decisions one counted');
    const over = rows.some(({ kind }) => kind === 'unwinding' || kind === 'cancelled');
    if (conflicts.length > 0 && inLog.length === 0 && !over && !movedOn(rows, conflicts[0]))
      breach('conflict-has-a-reason', `nothing is decided for ${where}`);
    for (const { body } of byAgents) {
      const kind = kindBefore(rows, where);
      seen(`decided ${String(body['as'])} after ${kind}`);
    }
  }
}

/** Whether the question was out of date: a later attempt exists, or this one has its outcome. */
function movedOn(rows: readonly LogRow[], told: Exchange | undefined): boolean {
  const { cellId, attempt } = told?.body ?? {};
  return rows.some(
    (row) =>
      row.cellId === cellId &&
      (row.attempt > Number(attempt) || ['completed', 'satisfied', 'skipped'].includes(row.kind)),
  );
}

function kindBefore(rows: readonly LogRow[], where: string): string {
  const at = rows.findIndex(
    (row) => row.kind === 'decided' && `${row.cellId}/${row.attempt}` === where,
  );
  return rows[at - 1]?.kind ?? 'nothing';
}

function checkDecision(
  { agentId, body, reply }: Exchange,
  rows: readonly LogRow[],
  breach: Report,
) {
  const row = rows.find(({ seq }) => seq === reply?.['seq']);
  const isIt =
    row?.kind === 'decided' &&
    row.cellId === body['cellId'] &&
    row.attempt === body['attempt'] &&
    row.body['as'] === body['as'] &&
    row.body['by'] === agentId;
  if (!isIt)
    breach('told-is-recorded', `${agentId} decided ${String(body['as'])}; found ${shown(row)}`);
}

function checkCancels({ rows, told }: Evidence, breach: Report, seen: (w: string) => void): void {
  const newest = rows.at(-1);
  for (const { verb, agentId, body, reply } of told) {
    if (verb !== 'cancel') continue;
    if (isResult(reply)) {
      const row = rows.find(({ seq }) => seq === reply?.['seq']);
      const wanted = body['undo'] === true ? ['unwinding', 'cancelled'] : ['cancelled'];
      if (row === undefined || !wanted.includes(row.kind) || row.body['by'] !== agentId)
        breach(
          'told-is-recorded',
          `${agentId} cancelled at ${String(reply?.['seq'])}; found ${shown(row)}`,
        );
      seen(body['undo'] === true ? 'cancel with undo' : 'cancel');
    } else if (codeOf(reply) === 'conflict') {
      const ended = rows.some(({ kind }) => kind === 'unwinding' || kind === 'cancelled');
      // Without either it has completed, or was in doubt and was to be undone.
      const doubt = body['undo'] === true && rows.some(({ kind }) => kind === 'interrupted');
      const completed =
        newest !== undefined && !['started', 'failed', 'refuted'].includes(newest.kind);
      if (!ended && !doubt && !completed)
        breach('conflict-has-a-reason', `a cancel was refused, and the log ends ${shown(newest)}`);
      seen(
        ended ? 'cancel lost to a cancel' : doubt ? 'cancel in doubt' : 'cancel lost to completion',
      );
    }
  }
}

function checkReceipts({ rows, receipts, told }: Evidence, breach: Report): void {
  const bySeq = new Map(rows.map((row) => [row.seq, row]));
  const recorded = new Map(receipts.map((receipt) => [receipt.requestId, receipt]));
  for (const { requestId, steps } of receipts)
    for (const { seq, cellId, kind, attempt } of steps) {
      const row = bySeq.get(seq);
      if (row?.cellId === cellId && row.kind === kind && row.attempt === attempt) continue;
      breach(
        'one-for-everyone',
        `${requestId} names ${seq} ${kind} ${cellId}; found ${shown(row)}`,
      );
    }
  for (const { verb, body, reply } of told) {
    if (verb !== 'advance' || !RECORDED.includes(String(reply?.['outcome']))) continue;
    const requestId = String(body['requestId']);
    const receipt = recorded.get(requestId);
    const same =
      receipt?.outcome === reply?.['outcome'] &&
      JSON.stringify(receipt?.steps.map(stepText)) ===
        JSON.stringify(((reply?.['steps'] ?? []) as RecordedStep[]).map(stepText));
    if (!same) breach('told-is-recorded', `${requestId} was told ${String(reply?.['outcome'])}`);
  }
}

interface RecordedStep {
  seq: number;
  cellId: string;
  kind: string;
  attempt: number;
}

function stepText({ seq, cellId, kind, attempt }: RecordedStep): string {
  return [seq, cellId, kind, attempt].join(' ');
}
