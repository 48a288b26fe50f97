import { attemptsOf, type Attempt, type LogRow } from '../random-cells/attribution.ts';
import { shown } from './ending-rules.ts';
import type { Evidence } from './evidence.ts';
import { undoIdOf, type Life } from './life.ts';
import { acted } from './receiver.ts';
import type { Report } from './rules.ts';

const UNDO = undoIdOf('');
/** Kinds with which a cell opens. */
const OPENS = ['started', 'satisfied', 'refuted', 'skipped'];

/** What was undone, by the log and by the receiver. */
export function undoRules(evidence: Evidence, breach: Report, seen: (what: string) => void): void {
  const { rows, life, arrivals } = evidence;
  const unwinding = rows.find(({ kind }) => kind === 'unwinding');
  const fromSeq = unwinding?.seq ?? Infinity;
  for (const row of rows) {
    const isUndo = row.cellId.startsWith(UNDO) && row.kind !== 'cancelled';
    if (isUndo && row.seq < fromSeq) breach('undo-when-unwinding', `${shown(row)} is too early`);
    if (!isUndo && row.seq > fromSeq && OPENS.includes(row.kind))
      breach('undo-when-unwinding', `${shown(row)} begins after unwinding`);
  }
  const undoes = rows.filter(({ kind }) => kind === 'unwinding').length;
  if (undoes > 1) breach('undo-when-unwinding', `it unwinds ${undoes} times`);
  if (unwinding === undefined) {
    for (const { cellId } of arrivals.filter((arrival) => arrival.cellId.startsWith(UNDO)))
      breach('undo-when-unwinding', `the receiver saw ${cellId}, and nothing unwinds`);
    return;
  }
  seen(`unwinding by ${byOf(unwinding).startsWith('@') ? byOf(unwinding) : 'an agent'}`);
  const due = dueUndoes(
    life,
    rows.filter(({ seq }) => seq < fromSeq),
  );
  const begun = [...new Set(rows.filter(isUndoStart).map(({ cellId }) => cellId))];
  if (String(begun) !== String(due.slice(0, begun.length)))
    breach('undo-in-reverse', `due is [${String(due)}], and begun is [${String(begun)}]`);
  checkArrivals(evidence, due, breach);
  checkEach(evidence, due, breach, seen);
}

/**
 * The order in which the receiver saw what was undone. One that somebody decided may still arrive
 * later, from a process that was frozen.
 */
function checkArrivals({ rows, arrivals }: Evidence, due: readonly string[], breach: Report): void {
  const recorded = due.filter((cellId) =>
    rows.some((row) => row.cellId === cellId && row.kind === 'completed'),
  );
  const acts = arrivals.filter(acted).map(({ cellId }) => cellId);
  const arrived = [...new Set(acts)].filter((cellId) => recorded.includes(cellId));
  const wanted = recorded.filter((cellId) => arrived.includes(cellId));
  if (String(arrived) !== String(wanted))
    breach(
      'undo-seen-in-reverse',
      `due is [${String(wanted)}], and arrived is [${String(arrived)}]`,
    );
}

/** The undo cells that are due, in their order, by the rows before `unwinding`. */
function dueUndoes(life: Life, rows: readonly LogRow[]): string[] {
  return life.cells
    .filter((cell) => cell.type === 'effect' && cell.undo !== undefined)
    .filter(({ id }) => isSatisfied(rows.filter(({ cellId }) => cellId === id)))
    .map(({ id }) => undoIdOf(id))
    .toReversed();
}

/** Whether an exec cell counts as satisfied, by its rows. */
function isSatisfied(rows: readonly LogRow[]): boolean {
  const newest = rows.at(-1);
  if (newest?.kind === 'completed') return true;
  if (newest?.kind === 'decided' && newest.body['as'] === 'succeeded') return true;
  const failed = rows.findLast(({ kind }) => kind === 'failed');
  return failed?.body['happened'] === true;
}

function checkEach(
  { rows, arrivals, told }: Evidence,
  due: readonly string[],
  breach: Report,
  seen: (what: string) => void,
): void {
  const cancelled = rows.find(({ kind }) => kind === 'cancelled');
  if (cancelled === undefined) return;
  // Only a second cancel, without undo, may leave something as it is.
  const givenUp = told.some(({ verb, body }) => verb === 'cancel' && body['undo'] !== true);
  for (const cellId of due) {
    const attempts = attemptsOf(rows, cellId);
    const times = arrivals.filter((one) => one.cellId === cellId && acted(one)).length;
    const doubts = attempts.filter(({ closing }) => closing?.kind === 'interrupted').length;
    const end = endOf(attempts.at(-1));
    if (end === 'open') {
      if (givenUp) seen('not undone: cancelled again');
      else breach('undone-once', `${cellId} is left as it is, and nobody wanted that`);
    } else if (end === 'completed') {
      seen('undone');
      if (times < 1) breach('undone-once', `${cellId} is completed, and nothing arrived`);
    } else seen(`undo decided ${end}`);
    if (doubts > 0) seen('undone through a doubt');
    // Each more than one needs a doubt that says so.
    if (times > 1 + doubts)
      breach('undone-once', `${cellId} happened ${times} times, with ${doubts} doubts in the log`);
  }
}

/** How an undo ended: completed, or as an agent decided. */
function endOf(attempt: Attempt | undefined): string {
  if (attempt?.closing?.kind === 'completed') return 'completed';
  const as = attempt?.decisions.at(-1)?.body['as'];
  return as === 'succeeded' || as === 'skipped' ? as : 'open';
}

function isUndoStart({ kind, cellId }: LogRow): boolean {
  return kind === 'started' && cellId.startsWith(UNDO);
}

function byOf({ body }: LogRow): string {
  return String(body['by']);
}
