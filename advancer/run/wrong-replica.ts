import { mayStart, type NotStarted } from '../../src/execution/not-started.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { Unfit } from '../cells/cells.ts';
import type { RunContext } from './context.ts';
import type { InstanceLog } from './instance-log.ts';

/**
 * This replica cannot do what comes next, and another one may be able to: the lease is to be
 * released, and the instance left to others for a while. Nothing was written about it, or only that
 * an attempt never began.
 */
export interface WrongReplica {
  kind: 'wrong_replica';
  unfit: Unfit;
  /** How long this replica leaves the instance to others, in milliseconds. */
  forMs: number;
  /** The replicas that have tried the cell and could not begin it either. */
  tried: readonly string[];
}

/** An advance request at the wrong replica. */
export interface AdvanceAtWrongReplica extends WrongReplica {
  /** The answer if no replica can do it. */
  receipt: Receipt;
}

/** How long a replica avoids an instance whose next cell it cannot run. */
const AVOID_MS = 5_000;

/** What follows from something that this replica was found to lack before anything was written. */
export function wrongReplica(unfit: Unfit): WrongReplica {
  return { kind: 'wrong_replica', unfit, forMs: AVOID_MS, tried: [] };
}

/**
 * Whether this replica may make the next attempt now, as far as earlier ones that never began
 * decide it; see {@link mayStart}.
 */
export function startAfterNotStarted(
  context: RunContext,
  log: InstanceLog,
  notStarted: NotStarted | undefined,
): { kind: 'start'; afterMs: number } | WrongReplica {
  if (notStarted === undefined) return { kind: 'start', afterMs: 0 };
  const { leases, clock } = context;
  const waitedMs = log.quietForMs(clock.monotonicMs());
  const live = leases.replicas().map(({ replicaId }) => replicaId);
  const may = mayStart(notStarted, leases.replicaId, live, waitedMs);
  if (may.kind === 'start') return may;
  const { count, by, why } = notStarted;
  const times = count === 1 ? 'once' : `${count} times in a row`;
  const unfit: Unfit = {
    why: `its effect could not be begun ${times}, the last time because ${why}`,
  };
  // Where every live replica has tried, nobody else is asked.
  const tried = may.kind === 'unavailable' ? [...by, ...live] : by;
  return { kind: 'wrong_replica', unfit, forMs: may.forMs, tried };
}
