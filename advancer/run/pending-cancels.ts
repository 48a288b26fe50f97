import type { InstanceStatus } from '../../src/execution/status.ts';
import type { ReplyError } from '../../src/request/messages.ts';

/** What is to be cancelled, by whom, and how. */
export interface CancelRequest {
  /** An agent's id, or `@parent`. */
  by: string;
  reason: string;
  /** Whether what was satisfied is undone before. */
  undo?: boolean | undefined;
  /** Whether its children are to be cancelled, too. */
  children?: boolean | undefined;
  /** When it arrived, by the wall clock, in milliseconds since 1970. */
  arrivedAtMs: number;
  /** Whether it waited before it was served, so that another replica may have applied it. */
  remembered: boolean;
  /** When it is given up, by the wall clock: until then it waits for a running attempt to end. */
  expiresAtMs: number;
}

/** How a cancel ended. */
export type CancelResult =
  /** It is in the log at this position; the status is the instance's after it. */
  | { kind: 'cancelled'; seq: number; status: InstanceStatus }
  | { kind: 'refused'; error: ReplyError }
  /** This replica does not lead the instance any more: the cancel is for the one that does. */
  | { kind: 'handed_on' };

/** A cancel that waits until it can be applied. */
export class PendingCancel {
  readonly request: CancelRequest;
  /** Resolves with its result. */
  readonly answered: Promise<CancelResult>;
  #result: CancelResult | undefined;
  #resolve: (result: CancelResult) => void = () => undefined;

  constructor(request: CancelRequest) {
    this.request = request;
    this.answered = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get result(): CancelResult | undefined {
    return this.#result;
  }

  answer(result: CancelResult): void {
    this.#result ??= result;
    this.#resolve(this.#result);
  }
}

/**
 * The cancels of one held instance that are not applied yet. Work on the instance that is under way
 * looks here, so that a cancel waits for no attempt, backoff or other request to end by itself.
 */
export class PendingCancels {
  readonly #pending = new Set<PendingCancel>();
  #controller: AbortController | undefined;

  /** The one that came first; undefined if there is none. */
  get next(): PendingCancel | undefined {
    if (this.#pending.size === 0) return undefined;
    for (const pending of this.#pending) if (pending.result === undefined) return pending;
    return undefined;
  }

  /** Fires when there is one; for one wait. */
  signal(): AbortSignal {
    if (this.#controller?.signal.aborted !== false) this.#controller = new AbortController();
    if (this.next !== undefined) this.#controller.abort();
    return this.#controller.signal;
  }

  add(request: CancelRequest): PendingCancel {
    const pending = new PendingCancel(request);
    this.#pending.add(pending);
    this.#controller?.abort();
    return pending;
  }

  remove(pending: PendingCancel): void {
    this.#pending.delete(pending);
  }
}
