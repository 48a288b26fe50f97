import { closingRows, rowsBeforeOpening } from '../../advancer/run/evidence.ts';
import { reduced } from '../../advancer/run/reduced-row.ts';
import type { NewRow } from '../../src/execution/row.ts';
import { evidenceIn } from './endings.ts';
import type { Fate } from './log.ts';
import { answerCancel, cancelFor, dirty, end, handOn, send, supersede, type Walk } from './walk.ts';
import { addLate } from './late.ts';
import { attemptKey, replicaIdOf, type Entry, type Work } from './world.ts';

/** The entry that a walk has on its way. */
export function entryOf({ process, work }: Pick<Walk, 'process' | 'work'>): Entry {
  const { view, base, token, outcome, operation, parks } = work;
  const receipt =
    outcome === undefined || operation.do !== 'advance'
      ? undefined
      : { request: operation.request, outcome };
  return { view, base, token, replicaId: replicaIdOf(process), parks, receipt };
}

/** Takes in the log's definite answer to the entry that was sent; see `InstanceLog.commit`. */
export function answered(walk: Walk, fate: Fate): void {
  const { rules, work } = walk;
  switch (fate) {
    case 'appended':
    case 'already_recorded':
      return committed(walk, fate);
    case 'receipted': {
      const closing = closingRows(proposed(work));
      work.intent = undefined;
      if (work.after === 'salvaged' || closing.length === 0) return keep(walk, 'end');
      return sendInstead(walk, closing, 'salvaged');
    }
    case 'fenced':
      if (isRest(work)) return keep(walk, 'read');
      if (rules.dropsWhenFenced && work.after !== 'salvaged') supersede(walk);
      return keep(walk, rules.dropsWhenFenced ? 'end' : 'read');
    case 'conflict':
      return keep(walk, work.after === 'salvaged' ? 'end' : 'read');
  }
}

function committed(walk: Walk, fate: 'appended' | 'already_recorded'): void {
  const { rules, world, work } = walk;
  const lineIsLate = world.unattended && !rules.lineWithCommit && dirty(work);
  work.base = work.view.length;
  work.resent = false;
  work.closing = work.intent;
  work.intent = undefined;
  answerIfApplied(walk);
  switch (work.after) {
    case 'begin':
      work.at = fate === 'already_recorded' && rules.readsOnAfterResend ? 'verify' : 'intended';
      return;
    case 'wait':
      work.at = 'waiting';
      return;
    case 'judge':
      work.at = 'judge';
      return;
    case 'applied':
      work.at = 'ready';
      return;
    case 'closed':
    case 'reduced':
    case 'read':
      work.at = 'read';
      return;
    case 'end':
    case 'salvaged':
      work.outcome = undefined;
      return lineIsLate ? send(walk, 'end') : end(walk);
  }
}

/** A cancellation is answered once its row is known to be in the log. */
function answerIfApplied(walk: Walk): void {
  const cancel = cancelFor(walk);
  if (cancel === undefined) return;
  const { cancelled, unwinding } = walk.work.view.state;
  if (cancelled !== undefined || (cancel.undo && unwinding !== undefined)) answerCancel(walk);
}

/** Whether the entry is what remains of one that Postgres refused. */
function isRest({ after }: Work): boolean {
  return after === 'closed' || after === 'reduced';
}

/** Postgres refuses the entry for what it holds or for what this role may do: `closeRejected`. */
export function rejected(walk: Walk, ofData: boolean): void {
  const { rules, work } = walk;
  const intended = work.after === 'begin' ? work.intent : undefined;
  work.intent = undefined;
  const closing = rowsBeforeOpening(proposed(work));
  if (intended !== undefined && rules.rejected === 'run') {
    work.closing = intended;
    work.at = 'intended';
    return;
  }
  if (rules.rejected === 'dropped') return discardProposed(walk, 'end');
  if (work.after === 'closed' && ofData) {
    const rows = closing.map((row) => reduced(row, 'invalid data'));
    return sendInstead(walk, rules.reducedKeepsFlags ? rows : rows.map(withoutFlags), 'reduced');
  }
  if (closing.length === 0 || isRest(work) || work.after === 'salvaged') return keep(walk, 'end');
  const rows = rules.rejected === 'failed' ? closing.map(asFailed) : closing;
  return sendInstead(walk, rows, 'closed');
}

function asFailed(row: NewRow): NewRow {
  return row.kind === 'completed' ? { ...row, kind: 'failed', body: {} } : row;
}

function withoutFlags(row: NewRow): NewRow {
  const { happened: _, notBegun: __, ...body } = row.body;
  return { ...row, body };
}

function proposed({ view, base }: Work): readonly NewRow[] {
  return view.rows.slice(base);
}

/** Sends other rows in the place of those that were refused. */
function sendInstead(walk: Walk, rows: readonly NewRow[], after: Work['after']): void {
  const { work } = walk;
  work.view = rows.reduce((view, row) => view.with(row), work.view.prefix(work.base));
  work.outcome = undefined;
  send(walk, after);
}

/** The intent reads back as present: is it still the newest row? */
export function verify(walk: Walk): void {
  const { world, work } = walk;
  if (world.log.length === work.view.length) {
    work.at = 'intended';
    return;
  }
  supersede(walk);
  work.closing = undefined;
  handOn(walk);
}

/** Keeps the evidence in what was refused, if there is any. See `keepRefusedRows`. */
function keep(walk: Walk, after: 'read' | 'end'): void {
  const { rules, work } = walk;
  work.after = after;
  work.outcome = undefined;
  work.intent = undefined;
  if (rules.keepsEvidence && proposed(work).some((row) => evidenceIn(row) !== undefined)) {
    work.at = 'keeping';
    return;
  }
  discardProposed(walk, after);
}

/** Writes the late outcomes. */
export function kept(walk: Walk): void {
  const { rules, world, work } = walk;
  for (const row of proposed(work)) {
    const states = evidenceIn(row);
    const { replicaId, fencingToken: token } = row;
    const attempt = attemptKey(row);
    if (states !== undefined) addLate(rules, world, { attempt, states, replicaId, token });
  }
  discardProposed(walk, work.after);
}

/** Postgres refuses the evidence too, whatever is left out: what its process knew is lost. */
export function evidenceRejected(walk: Walk): void {
  const { world, work } = walk;
  const lost = proposed(work).map(attemptKey);
  world.effects = world.effects.map((effect) =>
    lost.includes(effect.attempt) ? { ...effect, knownTo: undefined } : effect,
  );
  discardProposed(walk, work.after);
}

function discardProposed(walk: Walk, after: Work['after']): void {
  const { work } = walk;
  work.closing = undefined;
  work.resent = false;
  work.abandoned = false;
  // What was proposed is not in the log: the next walk reads it again.
  work.base = 0;
  work.outcome = undefined;
  work.parks = undefined;
  if (after === 'end') return handOn(walk);
  work.at = 'read';
}

/** Renumbers the entry to follow what the log holds now. Only a control does so. */
export function renumber({ world, work }: Walk): void {
  const rows = work.view.rows.slice(work.base);
  work.base = world.log.length;
  work.view = rows.reduce((view, row) => view.with(row), world.log);
  work.resent = true;
}
