import type { FencingToken } from '../ids.ts';

/** Why a holding ended. */
export type HoldingEnd =
  /** Handed back: idle, over the cap, on drain, or because Postgres cannot be reached. */
  | 'released'
  /** Its session's trust window passed, or etcd said that the session is gone. */
  | 'session_lost'
  /** A higher token was seen for the instance. */
  | 'superseded';

/**
 * One term of one instance, and the only proof of ownership: it is passed along, never looked up again.
 *
 * A holding is trusted only while the very session is under which its token was got; a new session of the same
 * process revives no old holding.
 */
export interface Holding {
  readonly instanceId: string;
  readonly token: FencingToken;
  /** Fires when the holding ends, with a {@link HoldingEnd} as its reason. */
  readonly signal: AbortSignal;
  /** Calls back once, when the holding ends; at once if it has. Cheaper than the signal. */
  onEnd(listener: () => void): void;
  /** Checked synchronously before each intent and again just before the effect. */
  trusted(): boolean;
}
