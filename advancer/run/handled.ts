import type { Receipt } from '../../src/request/receipt.ts';
import type { AdvanceAtWrongReplica } from './wrong-replica.ts';

/** How an advance request ended. */
export type Handled =
  /**
   * `recorded`: the log has this receipt of an enqueued request, whatever its outcome.
   * `unrecorded`: it has none, since a derived request wrote nothing. `rejected`: it has none,
   * since Postgres refuses what it would hold.
   */
  | { kind: 'receipt'; receipt: Receipt; recorded?: true; unrecorded?: true; rejected?: true }
  /** This replica does not lead the instance any more: the request is for the one that does. */
  | { kind: 'handed_on' }
  | AdvanceAtWrongReplica;

export const HANDED_ON: Handled = { kind: 'handed_on' };

export function receipted(receipt: Receipt): Extract<Handled, { kind: 'receipt' }> {
  return { kind: 'receipt', receipt };
}
