import type { ClientRequest } from '../../src/audit/evidence.ts';
import { isRecorded } from '../../src/request/receipt.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import { Histogram } from '../bench/histogram.ts';
import type { Latency } from './record.ts';

/** A decision that an agent received an acknowledgement for. */
export interface AcknowledgedDecision {
  seq: number;
  as: string;
}

/** A cancel that an agent received an acknowledgement for. */
export interface AcknowledgedCancel {
  seq: number;
  undo: boolean;
}

/**
 * What agents requested and what they were answered, by instance. A missing answer means _unknown_,
 * not _failed_.
 */
export class ClientHistory {
  readonly byOutcome: { [outcome: string]: number } = {};
  readonly #latencies = new Map<string, Histogram>();
  /** Requests that were answered with a receipt that is recorded. */
  acknowledged = 0;
  decisions = 0;
  cancels = 0;
  readonly #answers = new Map<string, ClientRequest[]>();
  readonly #decisions = new Map<string, AcknowledgedDecision[]>();
  readonly #cancels = new Map<string, AcknowledgedCancel[]>();
  readonly #invoked = new Set<string>();
  readonly #answered = new Set<string>();
  readonly #acknowledged = new Set<string>();

  /** A request is about to be sent. */
  invoke(requestId: string): void {
    this.#invoked.add(requestId);
  }

  /** A request returned. The agent always returns a receipt; `unavailable` means unknown. */
  complete(requestId: string, receipt: Receipt): void {
    const { instanceId, outcome } = receipt;
    this.byOutcome[outcome] = (this.byOutcome[outcome] ?? 0) + 1;
    const acknowledged = isRecorded(outcome);
    if (acknowledged && !this.#acknowledged.has(requestId)) {
      this.#acknowledged.add(requestId);
      this.acknowledged += 1;
    }
    if (outcome !== 'unavailable') this.#answered.add(requestId);
    const answer = outcome === 'unavailable' ? { requestId } : { requestId, receipt, acknowledged };
    append(this.#answers, instanceId, answer);
  }

  /** A request of this verb was answered after `ms`. */
  answeredIn(verb: string, ms: number): void {
    let histogram = this.#latencies.get(verb);
    if (histogram === undefined) this.#latencies.set(verb, (histogram = new Histogram()));
    histogram.record(ms);
  }

  /** How long answers took, by verb. */
  get latencies(): { [verb: string]: Latency } {
    return Object.fromEntries(
      [...this.#latencies].map(([verb, histogram]) => [
        verb,
        {
          count: histogram.count,
          p50Ms: rounded(histogram.quantileMs(0.5)),
          p99Ms: rounded(histogram.quantileMs(0.99)),
          maxMs: rounded(histogram.maxMs),
        },
      ]),
    );
  }

  /** A decision was acknowledged. */
  decided(instanceId: string, decision: AcknowledgedDecision): void {
    this.decisions += 1;
    append(this.#decisions, instanceId, decision);
  }

  /** A cancel was acknowledged. */
  cancelled(instanceId: string, cancel: AcknowledgedCancel): void {
    this.cancels += 1;
    append(this.#cancels, instanceId, cancel);
  }

  /** Requests that were sent at least once. */
  get requests(): number {
    return this.#invoked.size;
  }

  /** Requests that were never answered. */
  get unanswered(): number {
    return this.#invoked.size - this.#answered.size;
  }

  answersOf(instanceId: string): readonly ClientRequest[] {
    return this.#answers.get(instanceId) ?? [];
  }

  decisionsOf(instanceId: string): readonly AcknowledgedDecision[] {
    return this.#decisions.get(instanceId) ?? [];
  }

  cancelsOf(instanceId: string): readonly AcknowledgedCancel[] {
    return this.#cancels.get(instanceId) ?? [];
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}
