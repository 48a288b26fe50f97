import type { Told } from '../../src/audit/evidence.ts';
import { isRecorded } from '../../src/request/receipt.ts';
import type { Receipt } from '../../src/request/receipt.ts';

/** A decision that an agent was told is recorded. */
export interface ToldDecision {
  seq: number;
  as: string;
}

/**
 * Everything that agents asked and were told, by instance. An asking that brought no answer is
 * unknown, not failed.
 */
export class ToldLedger {
  readonly byOutcome: { [outcome: string]: number } = {};
  /** Requests that got a receipt that is recorded. */
  acknowledged = 0;
  decisions = 0;
  readonly #told = new Map<string, Told[]>();
  readonly #decided = new Map<string, ToldDecision[]>();
  readonly #asked = new Set<string>();
  readonly #heard = new Set<string>();
  readonly #acknowledged = new Set<string>();

  ask(requestId: string): void {
    this.#asked.add(requestId);
  }

  /** Agents get a receipt always; `unavailable` says that nobody knows. */
  hear(requestId: string, receipt: Receipt): void {
    const { instanceId, outcome } = receipt;
    this.byOutcome[outcome] = (this.byOutcome[outcome] ?? 0) + 1;
    const acknowledged = isRecorded(outcome);
    if (acknowledged && !this.#acknowledged.has(requestId)) {
      this.#acknowledged.add(requestId);
      this.acknowledged += 1;
    }
    if (outcome !== 'unavailable') this.#heard.add(requestId);
    const told = outcome === 'unavailable' ? { requestId } : { requestId, receipt, acknowledged };
    push(this.#told, instanceId, told);
  }

  decided(instanceId: string, decision: ToldDecision): void {
    this.decisions += 1;
    push(this.#decided, instanceId, decision);
  }

  /** Requests that were sent at least once. */
  get requests(): number {
    return this.#asked.size;
  }

  /** Requests that nobody ever answered. */
  get unanswered(): number {
    return this.#asked.size - this.#heard.size;
  }

  of(instanceId: string): readonly Told[] {
    return this.#told.get(instanceId) ?? [];
  }

  decisionsOf(instanceId: string): readonly ToldDecision[] {
    return this.#decided.get(instanceId) ?? [];
  }
}

function push<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}
