import type { FencingToken } from '../ids.ts';

/** Why a holding ended. */
export type HoldingEnd =
  /** Handed back: idle, over the cap, on drain, or because Postgres cannot be reached. */
  | 'released'
  /** Its session's trust window passed, or etcd said that the session is gone. */
  | 'session_lost'
  /** A higher token was seen for the instance. */
  | 'superseded';

/** Something that ends once. */
export interface Ends {
  readonly ended: boolean;
  /**
   * Calls back once, when it ends; at once if it has. Cheaper than a signal.
   *
   * @returns takes it back
   */
  onEnd(listener: () => void): () => void;
}

/**
 * One term of one instance, and the only proof of ownership: it is passed along, never looked up
 * again.
 *
 * A holding is trusted only while the very session is under which its token was got; a new session
 * of the same process revives no old holding.
 */
export interface Holding extends Ends {
  readonly instanceId: string;
  readonly token: FencingToken;
  /** Fires when the holding ends, with a {@link HoldingEnd} as its reason. */
  readonly signal: AbortSignal;
  /** Checked synchronously before each intent and again just before the effect. */
  trusted(): boolean;
}
