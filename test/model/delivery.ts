import type { Fate } from './log.ts';
import { send, supersede, end, handOn, type Walk } from './walk.ts';
import { attemptKey, replicaIdOf, type Entry, type Late } from './world.ts';

/** The entry that a walk has on its way. */
export function entryOf({ process, work }: Pick<Walk, 'process' | 'work'>): Entry {
  const { view, base, token, outcome, operation } = work;
  const receipt =
    outcome === undefined || operation.do !== 'advance'
      ? undefined
      : { request: operation.request, outcome };
  return { view, base, token, replicaId: replicaIdOf(process), receipt };
}

/** Takes in the log's definite answer to the entry that was sent; see `InstanceLog.commit`. */
export function answered(walk: Walk, fate: Fate): void {
  const { rules, work } = walk;
  const refusedRows = work.view.rows.slice(work.base);
  switch (fate) {
    case 'appended':
    case 'already_recorded':
      work.base = work.view.length;
      work.resent = false;
      work.closing = work.intent;
      work.intent = undefined;
      if (work.after === 'go_on') work.at = 'ready';
      else if (work.after !== 'begin') end(walk);
      else
        work.at = fate === 'already_recorded' && rules.readsOnAfterResend ? 'verify' : 'intended';
      return;
    case 'receipted': {
      const opening = refusedRows.findIndex(({ kind }) => kind === 'started');
      const closing = opening === -1 ? refusedRows : refusedRows.slice(0, opening);
      work.intent = undefined;
      if (work.after === 'salvaged') return keep(walk, closing, 'end');
      if (closing.length === 0) return keep(walk, [], 'end');
      work.view = work.view.prefix(work.base + closing.length);
      return send(walk, 'salvaged');
    }
    case 'fenced':
      if (rules.dropsWhenFenced && work.after !== 'salvaged') supersede(walk);
      return keep(walk, refusedRows, rules.dropsWhenFenced ? 'end' : 'go_on');
    case 'conflict':
      return keep(walk, refusedRows, work.after === 'salvaged' ? 'end' : 'go_on');
  }
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

/** Keeps the evidence in refused rows, if there is any. See `keepRefusedRows`. */
function keep(walk: Walk, refused: Entry['view']['rows'], after: 'go_on' | 'end'): void {
  const { rules, work } = walk;
  work.after = after;
  work.outcome = undefined;
  work.intent = undefined;
  const evidence = refused.filter((row) => lateOf(row) !== undefined);
  if (evidence.length > 0 && rules.keepsEvidence) {
    work.at = 'keeping';
    return;
  }
  discardProposed(walk);
}

/** Writes the late outcomes. */
export function kept(walk: Walk): void {
  const { world, work } = walk;
  for (const row of work.view.rows.slice(work.base)) {
    const late = lateOf(row);
    if (late === undefined) continue;
    if (world.late.some(({ attempt, kind }) => attempt === late.attempt && kind === late.kind))
      continue;
    world.late = [...world.late, late].sort((a, b) =>
      a.attempt + a.kind < b.attempt + b.kind ? -1 : 1,
    );
  }
  discardProposed(walk);
}

function discardProposed(walk: Walk): void {
  const { work } = walk;
  work.closing = undefined;
  work.resent = false;
  work.abandoned = false;
  // What was proposed is not in the log: the next walk reads it again.
  work.base = 0;
  if (work.after === 'end') return handOn(walk);
  work.at = 'read';
}

function lateOf(row: Entry['view']['rows'][number]): Late | undefined {
  const attempt = attemptKey(row);
  if (row.kind === 'completed' || row.kind === 'failed') return { attempt, kind: row.kind };
  const neverBegan = row.kind === 'interrupted' && row.body['reason'] === 'not_started';
  return neverBegan ? { attempt, kind: 'not_started' } : undefined;
}

/** Renumbers the entry to follow what the log holds now. Only a control does so. */
export function renumber({ world, work }: Walk): void {
  const rows = work.view.rows.slice(work.base);
  work.base = world.log.length;
  work.view = rows.reduce((view, row) => view.with(row), world.log);
  work.resent = true;
}
