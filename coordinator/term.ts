import { TransientSet } from '../src/transient-map.ts';
import type { FencingToken } from '../src/ids.ts';
import type { Holding, HoldingEnd } from '../src/lease/holding.ts';
import type { Session } from './session.ts';

/**
 * A {@link Holding} as the coordinator keeps it: one term, bound for good to the session it was got
 * under.
 */
export class Term implements Holding {
  readonly instanceId: string;
  readonly token: FencingToken;
  readonly #session: Session;
  // Made when somebody asks for the signal: a replica that leaves ends thousands of terms in one
  // turn.
  #controller: AbortController | undefined;
  readonly #listeners = new TransientSet<() => void>();
  #ended: HoldingEnd | undefined;
  /** How many pins hold it back from being released. */
  pins = 0;
  /** When it was last got, pinned or unpinned, on the monotonic clock. */
  usedAtMs: number;

  constructor(instanceId: string, token: FencingToken, session: Session, nowMs: number) {
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
    // The session first: asking it is what notices that its window has passed, and that ends this
    // term.
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
