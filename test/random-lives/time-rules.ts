import type { LogRow } from '../random-cells/attribution.ts';
import { shown } from './ending-rules.ts';
import type { Evidence } from './evidence.ts';
import { claimOf } from './runbook-of.ts';
import type { Report } from './rules.ts';

/** Times come in whole and half microseconds, as floating point milliseconds. */
const ROUNDING_MS = 0.01;

/** Pauses and deadlines, by the times that the database has given its rows. */
export function timeRules(evidence: Evidence, breach: Report, seen: (what: string) => void): void {
  const { rows, life, startedAtMs } = evidence;
  for (const cell of life.cells) {
    if (cell.type !== 'pause' && cell.type !== 'deadline') continue;
    for (const row of rows.filter(({ cellId }) => cellId === cell.id)) {
      if (row.kind === 'decided' || row.kind === 'unwinding' || row.kind === 'cancelled') continue;
      const before = rows.find(({ seq }) => seq === row.seq - 1);
      const dueAtMs = (before?.recordedAtMs ?? startedAtMs) + cell.ms;
      if (cell.type === 'pause') {
        if (row.recordedAtMs + ROUNDING_MS < dueAtMs)
          breach('wait-not-early', `${shown(row)} is ${dueAtMs - row.recordedAtMs} ms early`);
        seen('paused');
      } else checkDeadline(evidence, row, dueAtMs, breach, seen);
    }
  }
}

function checkDeadline(
  { claims, told, life }: Evidence,
  row: LogRow,
  dueAtMs: number,
  breach: Report,
  seen: (what: string) => void,
): void {
  const claimId = claimOf(life.instanceId, row.cellId);
  const made = claims.filter((claim) => claim.claimId === claimId && claim.status === 'yes');
  if (row.kind === 'satisfied') {
    seen('claim before its deadline');
    if (!made.some(({ recordedAtMs }) => recordedAtMs <= row.recordedAtMs))
      breach('deadline-or-claim', `${shown(row)}, and no claim had been made`);
    return;
  }
  seen(`deadline passed: ${row.kind}`);
  if (row.recordedAtMs + ROUNDING_MS < dueAtMs)
    breach('deadline-or-claim', `${shown(row)} is ${dueAtMs - row.recordedAtMs} ms early`);
  // Acknowledged means committed, on the clock of the same machine.
  const early = told.some(
    ({ verb, body, reply, answeredAtMs }) =>
      verb === 'claim' &&
      body['claimId'] === claimId &&
      reply?.['status'] === 'yes' &&
      answeredAtMs < dueAtMs,
  );
  if (early) breach('deadline-or-claim', `${shown(row)}, and the claim was made before it was due`);
}
