import { attemptsOf, type Attempt, type LogRow } from '../random-cells/attribution.ts';
import type { Evidence } from './evidence.ts';
import type { Report } from './rules.ts';

/** How late the receiver on a busy machine may note what arrived. */
const LATE_MS = 1_500;

/** Rows after which a cell is done with, whatever follows. */
const DONE = ['completed', 'satisfied', 'skipped'];

/** Every attempt of the log, by cell. */
export function allAttempts(rows: readonly LogRow[]): Attempt[] {
  const cellIds = new Set(rows.filter(({ kind }) => kind === 'started').map((row) => row.cellId));
  return [...cellIds].flatMap((cellId) => attemptsOf(rows, cellId));
}

/** How the instance ended, and that nothing came after. */
export function endingRules(
  evidence: Evidence,
  breach: Report,
  seen: (what: string) => void,
): void {
  const { rows, life, status, receipts } = evidence;
  const ends = rows.filter(({ kind }) => kind === 'cancelled');
  const [cancelled] = ends;
  const end = cancelled === undefined ? endWithoutCancel(evidence) : 'cancelled';
  if (end === undefined) breach('one-ending', `it ends with ${shown(rows.at(-1))}`);
  else {
    if (status !== end)
      breach('one-ending', `its log is ${end}, its status ${status ?? 'unknown'}`);
    seen(`ended ${end}`);
  }
  const outcomes = new Set(receipts.map(({ outcome }) => outcome));
  const other = end === 'completed' ? 'cancelled' : 'completed';
  if (end !== undefined && outcomes.has(other))
    breach('one-ending', `it is ${end}, and a receipt says ${other}`);
  if (ends.length > 1) breach('one-ending', `it is cancelled ${ends.length} times`);
  if (cancelled === undefined) return;
  for (const row of rows.filter(({ seq }) => seq > cancelled.seq))
    breach('nothing-after-cancelled', `${shown(row)} follows it`);
  for (const what of beganAfter(evidence, cancelled)) breach('nothing-after-cancelled', what);
  checkLeft(rows, cancelled, breach, seen);
  const before = rows.find(({ seq }) => seq === cancelled.seq - 1);
  seen(`cancelled after ${before?.kind ?? 'nothing'}`);
  if (life.cancels.length === 0 && life.onHalt !== 'undo' && life.byParent !== true)
    breach('one-ending', 'it is cancelled, and nobody wanted that');
}

/** `completed`, if every cell is done with. */
function endWithoutCancel({ rows, life }: Evidence): 'completed' | undefined {
  if (rows.some(({ kind }) => kind === 'unwinding')) return undefined;
  const done = life.cells.every(({ id }) => {
    const newest = rows.findLast(({ cellId }) => cellId === id);
    if (newest?.kind !== 'decided') return newest !== undefined && DONE.includes(newest.kind);
    return newest.body['as'] === 'succeeded' || newest.body['as'] === 'skipped';
  });
  return done ? 'completed' : undefined;
}

/**
 * Effects that began after `cancelled`, as far as the times can decide it: an attempt that has an
 * outcome in the log had its effect before that outcome. One that was interrupted may be in the
 * hands of a frozen process.
 */
function beganAfter({ arrivals, rows }: Evidence, cancelled: LogRow): string[] {
  const attempts = allAttempts(rows);
  return arrivals.flatMap((arrival) => {
    const { cellId, key, token, atMs } = arrival;
    if (atMs <= cancelled.recordedAtMs + LATE_MS) return [];
    const mine = attempts.filter(
      ({ started }) => started.token === token && started.cellId === cellId,
    );
    const open = mine.filter(
      (attempt) =>
        attempt.key === key &&
        attempt.closing?.kind === 'interrupted' &&
        attempt.closing.body['reason'] !== 'not_started',
    );
    const lateMs = Math.round(atMs - cancelled.recordedAtMs);
    return open.length > 0 ? [] : [`an effect of ${cellId} arrives ${lateMs} ms later`];
  });
}

function checkLeft(
  rows: readonly LogRow[],
  cancelled: LogRow,
  breach: Report,
  seen: (what: string) => void,
): void {
  const place = (cellId: string, attempt: number): string => `${cellId}/${attempt}`;
  const attempts = rows.filter((row) => row.kind !== 'unwinding' && row.seq < cancelled.seq);
  const unsettled = [...new Set(attempts.map(({ cellId }) => cellId))]
    .map((cellId) => begun(attempts.filter((row) => row.cellId === cellId)))
    .filter(isUnsettled)
    .map((own) => place(own[0]?.cellId ?? '', own.at(-1)?.attempt ?? 0));
  const left = ((cancelled.body['left'] ?? []) as { cellId: string; attempt: number }[]).map(
    ({ cellId, attempt }) => place(cellId, attempt),
  );
  if (String(left) !== String(unsettled))
    breach('left-is-true', `left is [${String(left)}], and unsettled is [${String(unsettled)}]`);
  if (left.length > 0) seen('cancelled with a doubt left');
}

/** Without the attempts whose effects never began: they say nothing about those before them. */
function begun(own: readonly LogRow[]): LogRow[] {
  const never = new Set(
    own
      .filter(({ kind, body }) => kind === 'interrupted' && body['reason'] === 'not_started')
      .map(({ attempt }) => attempt),
  );
  return own.filter(({ attempt }) => !never.has(attempt));
}

/**
 * Whether nobody knows what the newest attempt of a cell has done: it is in doubt, or policy said
 * that it is to be made again, and it was not.
 */
function isUnsettled(own: readonly LogRow[]): boolean {
  const closing = own.findLast(({ kind }) => kind === 'interrupted');
  const last = own.at(-1);
  if (closing === undefined || closing.body['reason'] === 'not_started') return false;
  const { as, by } = last?.body ?? {};
  return last === closing || (last?.kind === 'decided' && as === 'rerun' && by === '@policy');
}

/** A row in words. */
export function shown(row: LogRow | undefined): string {
  if (row === undefined) return 'nothing';
  const { seq, kind, cellId, attempt, body } = row;
  const more = kind === 'decided' ? ` ${String(body['as'])} by ${String(body['by'])}` : '';
  return `${seq} ${kind} ${cellId} ${attempt}${more}`;
}
