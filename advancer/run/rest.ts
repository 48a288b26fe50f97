import { nextStep, type InstanceView } from '../../src/execution/plan.ts';
import type { InstanceStatus } from '../../src/execution/status.ts';
import type { Awaiting, ChildrenView, Waiting } from '../../src/execution/views.ts';
import type { NewRow } from '../../src/execution/row.ts';
import type { Rest } from '../log/due.ts';
import type { Projection } from '../log/log.ts';

/** What a parked instance waits for. */
export type Parked =
  /** `revision`: that of the claim which was found not to be as wanted; 0 if there was none. */
  { awaiting: Awaiting; revision: number } | { waiting: Waiting } | { children: ChildrenView };

/** What receipts and `status` show of it. */
export function parkedView(parked: Parked): {
  awaiting?: Awaiting;
  waiting?: Waiting;
  children?: ChildrenView;
} {
  if (!('awaiting' in parked)) return parked;
  return { awaiting: parked.awaiting };
}

/**
 * What brings an unattended instance back. Pure.
 *
 * One that is open or in doubt is found by the sweep, and so needs nothing here; one that has
 * halted waits for a person, whose decision is an append like any other.
 */
export function restOf(
  view: InstanceView,
  status: InstanceStatus,
  parked: Parked | undefined,
): Rest | 'ended' {
  switch (status) {
    case 'completed':
    case 'cancelled':
      return 'ended';
    case 'running':
    case 'in_doubt':
    case 'halted':
      return {};
    case 'ready': {
      const step = nextStep(view);
      return { at: { afterMs: step.do === 'start' ? step.backoffMs : 0 } };
    }
    case 'parked':
      return parked === undefined ? { at: { afterMs: 0 } } : restOfParked(parked);
  }
}

/** The line of an instance whose attempt these rows close, with nothing after them. Pure. */
export function closedLine(closing: readonly NewRow[], unattended: boolean): Projection {
  const isInDoubt = closing.at(-1)?.kind === 'interrupted';
  const line = { status: isInDoubt ? 'in_doubt' : 'ready', nextCellId: null } as const;
  if (!unattended) return line;
  return { ...line, rest: isInDoubt ? {} : { at: { afterMs: 0 } } };
}

function restOfParked(parked: Parked): Rest {
  if ('children' in parked) return {};
  if ('waiting' in parked) return { at: { iso: parked.waiting.until } };
  const { awaiting, revision } = parked;
  const { claimId, statuses, until } = awaiting;
  const claim = { claimId, statuses, revision };
  return until === undefined ? { claim } : { claim, at: { iso: until } };
}
