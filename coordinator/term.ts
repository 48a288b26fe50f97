import { TransientSet } from '../src/transient-map.ts';
import type { FencingToken } from '../src/ids.ts';
import type { Holding, HoldingEnd } from '../src/lease/holding.ts';
import type { Session } from './session.ts';

/** How to make a {@link Term}. */
export interface TermOptions {
  instanceId: string;
  token: FencingToken;
  session: Session;
  /** By the monotonic clock. */
  nowMs: number;
}

/**
 * A {@link Holding} inside the coordinator: one term, bound for good to the session under which it
 * was acquired.
 */
export class Term implements Holding {
  readonly instanceId: string;
  readonly token: FencingToken;
  readonly #session: Session;
  // Created on first use: a replica that stops ends thousands of terms in one turn.
  #controller: AbortController | undefined;
  readonly #listeners = new TransientSet<() => void>();
  #ended: HoldingEnd | undefined;
  /** How many pins keep it from being released. */
  pins = 0;
  /** When it was last acquired, pinned or unpinned, on the monotonic clock. */
  usedAtMs: number;

  constructor({ instanceId, token, session, nowMs }: TermOptions) {
    this.instanceId = instanceId;
    this.token = token;
    this.#session = session;
    this.usedAtMs = nowMs;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#ended !== undefined) this.#controller.abort(this.#ended);
    }
    return this.#controller.signal;
  }

  trusted(): boolean {
    // The session first: asking it may find that its window has passed, which ends this term.
    return this.#session.trusted() && this.#ended === undefined;
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  onEnd(listener: () => void): () => void {
    if (this.#ended === undefined) this.#listeners.add(listener);
    else listener();
    return () => void this.#listeners.delete(listener);
  }

  /** Ends the term; only the first reason counts. */
  end(reason: HoldingEnd): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#controller?.abort(reason);
    for (const listener of this.#listeners) {
      this.#listeners.delete(listener);
      listener();
    }
  }
}
