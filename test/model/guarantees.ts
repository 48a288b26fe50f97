import { policyFor } from '../../src/execution/plan.ts';
import { onInterrupt } from '../../src/runbook/runbook.ts';
import { waitsForOthers } from './due.ts';
import { heardFrom } from './endings.ts';
import { checkOutcomes } from './outcome-guarantees.ts';
import { lateAbout } from './late.ts';
import { attemptKey, inHand, type World } from './world.ts';

/** The guarantees by name; the number is the one in the design. */
const GUARANTEES = [
  '1 no effect without its committed intent',
  '1 at most one open attempt',
  '2 tokens never go back',
  '3 an attempt is begun at most once',
  '3 an effect begins only while its attempt is open',
  '3 nobody closes an attempt that is in hand',
  '3 a cell runs again only where that is allowed',
  '3 at most once, unless policy, a probe or a person allows more',
  '3 a new key only after a refusal',
  '3 nothing runs after an effect that happened and failed its cell',
  '3 nothing follows a cancellation',
  '3 nothing is open when an instance is cancelled',
  '3 completed or cancelled, never both',
  '3 one decision counts',
  '3 an instance unwinds at most once',
  '3 nothing but undoing follows unwinding',
  '3 an undo runs only after unwinding',
  '3 what was done last is undone first',
  '4 never stuck',
  '4 no false doubt',
  '4 nobody gives way to a term that does not exist',
  '4 every refusal is explained',
  '5 one receipt',
  '5 a receipt has every row of its request',
  '5 unavailable means nothing runs',
  '5 what was done is undone once, or visibly not',
  '6 not_started is the truth',
  '6 a recorded outcome is the truth',
  '6 only a person settles an unverified outcome',
  '6 a known outcome is kept',
  '6 evidence is heard before a decision',
  '6 a cancellation leaves open what nobody knows',
  '6 a cancellation names the doubt that it leaves',
  '7 a deadline passes by the clock of the database',
  '7 a claim that was made in time wins',
] as const;

/** See {@link GUARANTEES}. */
export type Guarantee = (typeof GUARANTEES)[number];

/** A guarantee that a state, or the step into it, breaks. */
export interface Breach {
  guarantee: Guarantee;
  what: string;
}

/**
 * Every breach that a state shows: in the step into it, in the log, and in the rest compared with
 * the log.
 */
export function breachesOf(world: World): Breach[] {
  const found = [...world.breaches];
  if (world.log.breach !== undefined) found.push(world.log.breach);
  checkOutcomes(world, found);
  checkReceipts(world, found);
  return found;
}

/** The receipt of a request names exactly the rows under it, those that came after it included. */
function checkReceipts(world: World, found: Breach[]): void {
  for (const { request, view } of world.receipts) {
    const steps = ({ rows }: World['log']): string =>
      rows
        .filter(({ requestId }) => requestId === request)
        .map(({ seq, kind }) => `${seq} ${kind}`)
        .join(', ');
    if (steps(view) !== steps(world.log)) {
      found.push({
        guarantee: '5 a receipt has every row of its request',
        what: `the receipt of ${request} says (${steps(view)}), the log has (${steps(world.log)})`,
      });
    }
  }
}

/**
 * Whether nothing is left to do: every request has its receipt, no process is at work, no attempt
 * is open, and a doubt is one that only a person may settle.
 */
export function atRest(world: World, requests: number): boolean {
  const { receipts, ghosts, decisions, cancels } = world;
  if (receipts.length < requests || ghosts.length + decisions.length + cancels.length > 0)
    return false;
  if (world.processes.some(({ works }) => works.length > 0)) return false;
  const { step, state } = world.log;
  if (step.do === 'close') return false;
  if (world.unattended && !waitsForOthers(world)) return false;
  if (step.do !== 'settle') return true;
  const { doubt, cell } = step;
  const { decision, held } = heardFrom(lateAbout(world, attemptKey(doubt)), state.newestAttempt);
  if (decision !== undefined) return false;
  return (
    held ||
    policyFor(cell, doubt, state.cells.get(cell.id)) === 'hold' ||
    onInterrupt(cell) === 'probe'
  );
}

/** Whether some process could still settle what the newest row leaves open, without a person. */
export function unsettled(world: World, by: World['processes'][number]): boolean {
  const { step, state } = world.log;
  if (step.do === 'close') return !inHand(by, attemptKey(step.open));
  if (step.do !== 'settle') return false;
  const late = lateAbout(world, attemptKey(step.doubt));
  const { decision, held } = heardFrom(late, state.newestAttempt);
  if (decision !== undefined || held) return decision !== undefined;
  return policyFor(step.cell, step.doubt, state.cells.get(step.cell.id)) !== 'hold';
}
