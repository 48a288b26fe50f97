import type { FencingToken } from '../ids.ts';

/** Why a holding ended. */
export type HoldingEnd =
  /** Released: idle, over the cap, on drain, or because Postgres cannot be reached. */
  | 'released'
  /** Its session's trust window passed, or etcd answered that the session is gone. */
  | 'session_lost'
  /** A higher token was seen for the instance. */
  | 'superseded';

/** Something that ends, once. */
export interface Ends {
  readonly ended: boolean;
  /**
   * Calls the listener once, when it ends; immediately if it has ended. Cheaper than a signal.
   *
   * @returns a function that removes the listener
   */
  onEnd(listener: () => void): () => void;
}

/**
 * One term of one instance, and the only proof of ownership. Pass it along; never look it up.
 *
 * A holding is trusted only while the session that got its token lasts. A new session of the same
 * process does not revive an old holding.
 */
export interface Holding extends Ends {
  readonly instanceId: string;
  readonly token: FencingToken;
  /** Fires when the holding ends, with a {@link HoldingEnd} as its reason. */
  readonly signal: AbortSignal;
  /** Checked synchronously before each intent and again just before the effect. */
  trusted(): boolean;
}
