import { restOf, type Parked } from '../../advancer/run/rest.ts';
import { judgeAwait, judgeWait } from '../../src/execution/await.ts';
import type { NextStep } from '../../src/execution/plan.ts';
import { statusOf } from '../../src/execution/status.ts';
import type { History } from './history.ts';
import type { Moves } from './moves.ts';
import type { Rules } from './rules.ts';
import type { Work, World } from './world.ts';

/*
 * Work that nobody asks for: what brings an unattended instance back, and who looks at it. The
 * instance has a line, which is derived from its log; a claim for which it waits is noted.
 */

/** What brings an instance back. */
export interface Line {
  /** The newest row that it was derived from. */
  readonly seq: number;
  /** When it is due; undefined if time does not bring it back. */
  readonly time: 'now' | 'deadline' | undefined;
  /** The revision of the claim that was seen, 0 for none; undefined if it waits for no claim. */
  readonly seen: number | undefined;
}

/** `open` is the status that awaits wait for. */
export type ClaimStatus = 'open' | 'closed';

/** A revision of the claim. */
export interface Claim {
  readonly revision: number;
  readonly status: ClaimStatus;
}

/**
 * Writes the line of an instance whose log this is, in one statement; see put_unattended.sql.
 *
 * @param parks the revision of the claim that was seen, if it parks
 */
export function putLine(
  rules: Rules,
  world: World,
  view: History,
  parks: number | undefined,
): void {
  const { line, claim } = world;
  const { instance, step } = view;
  const parked = parks === undefined ? undefined : parkedAt(step, parks);
  const rest = restOf(instance, statusOf(instance, parked !== undefined), parked);
  if (rest === 'ended') {
    world.line = undefined;
    return;
  }
  if (rules.lineNeverBack && line !== undefined && view.length < line.seq) return;
  const seen = rest.claim?.revision;
  const isMissed = seen !== undefined && claim?.status === 'open' && claim.revision > seen;
  const time = rest.at && ('iso' in rest.at ? 'deadline' : 'now');
  world.line = { seq: view.length, time: isMissed && rules.lineReadsClaim ? 'now' : time, seen };
}

/** What an instance is parked on that found neither its claim nor the end of its wait. */
function parkedAt(step: NextStep, revision: number): Parked | undefined {
  if (step.do !== 'await' && step.do !== 'wait') return undefined;
  const judged = step.do === 'await' ? judgeAwait(step, undefined, false) : judgeWait(step, false);
  if (judged.do !== 'park') return undefined;
  return 'awaiting' in judged ? { awaiting: judged.awaiting, revision } : judged;
}

/** Makes the next revision of the claim. It is noted in the same transaction for those who wait. */
export function makeClaim(rules: Rules, world: World, status: ClaimStatus): void {
  const claim = { revision: (world.claim?.revision ?? 0) + 1, status };
  world.claim = claim;
  world.claimedInTime = status === 'open' && !world.due;
  if (rules.claimsAreNoted && status === 'open' && isWoken(world, claim.revision))
    world.notes = [...world.notes, claim.revision];
}

/** Whether the instance waits for a revision that it has not seen. */
function isWoken({ line }: World, revision: number): boolean {
  return line?.seen !== undefined && line.seen < revision;
}

/** Whether anything says that the instance may go on by itself. */
export function isDue(world: World): boolean {
  const { line, due, notes } = world;
  if (line === undefined) return false;
  const isTime = line.time === 'now' || (line.time === 'deadline' && due);
  return isTime || notes.some((revision) => isWoken(world, revision));
}

/** Whether nothing is left that an unattended instance can do by itself. */
export function waitsForOthers({ log: { step }, claim, due, notes }: World): boolean {
  if (notes.length > 0) return false;
  switch (step.do) {
    case 'await':
      return claim?.status !== 'open' && !(due && step.deadline !== undefined);
    case 'wait':
      return !due;
    case 'complete':
    case 'cancelled':
    case 'halt':
    case 'settle':
      return true;
    default:
      return false;
  }
}

/** The note of a claim is forgotten once nobody waits for it any more. */
export function noteMoves(moves: Moves): void {
  for (const note of moves.from.notes) {
    if (isWoken(moves.from, note)) continue;
    const label = `nobody waits for revision ${note} of the claim, and its note is forgotten`;
    moves.add('note is forgotten', label, (world) => {
      world.notes = world.notes.filter((other) => other !== note);
    });
  }
}

/** A walk that nobody asked for takes its request from the log: the same row, the same request. */
export function derive(work: Work): void {
  const { operation, view } = work;
  if (operation.do !== 'advance' || operation.request !== UNDERIVED) return;
  const request = `auto ${view.length} ${view.step.do}`;
  work.operation = { ...operation, request, cell: cellOf(view) };
}

/** The request of a look that has not read the log. */
export const UNDERIVED = '';

/** Whether a walk that nobody asked for is about another cell by now: then it is dropped. */
export function isOutOfOrder({ operation, view }: Work): boolean {
  if (operation.do !== 'advance' || operation.cell === undefined) return false;
  return !view.state.stepsByRequest.has(operation.request) && operation.cell !== cellOf(view);
}

function cellOf({ step }: History): string {
  return 'cell' in step ? step.cell.id : '';
}
