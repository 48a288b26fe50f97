import { LogThrottle } from '../../src/log-throttle.ts';
import type { Logger } from '../../src/logger.ts';
import type { Clock } from '../../src/time/clock.ts';
import type { Counted } from '../run/context.ts';
import type { NotAuthentic } from './seal.ts';
import type { NoteKind, QuestionKind } from './statements.ts';

/** Why a message of another replica is not believed. */
export type Reason =
  | NotAuthentic
  /** It has no MAC. */
  | 'missing'
  /** A note whose count is not above the last one's. */
  | 'replayed'
  /** A note of a replica that has not been introduced. */
  | 'unknown_sender'
  /** This process has no secret (yet). */
  | 'no_secret';

/** What a message was, or claimed to be. */
export type MessageKind = QuestionKind | NoteKind | `${QuestionKind}_answer`;

/** For people; what needs no line has none. */
const MEANING: Readonly<Record<Reason, string | undefined>> = {
  missing:
    'a message between replicas without a MAC: from a client that is no replica, or from a replica of an older version',
  unknown_key:
    'a message between replicas under a secret that this replica does not have: its sender reads another etcd or another namespace. Compare the ids with: leasehold secrets show',
  wrong_mac:
    "a message between replicas whose MAC is wrong: its sender does not know this namespace's secret, or it was changed on the way",
  replayed:
    'a message between replicas that has been here before: it was recorded and sent again, or it overtook another one',
  unknown_sender: undefined,
  no_secret: undefined,
};

/** What {@link Unauthenticated} needs. */
export interface UnauthenticatedOptions {
  clock: Pick<Clock, 'monotonicMs'>;
  logger: Logger;
  count: (event: Counted) => void;
}

/**
 * Counts the messages that were not believed, and logs a line about each reason from time to time:
 * anybody on the bus can cause them, as many as they like.
 */
export class Unauthenticated {
  readonly #options: UnauthenticatedOptions;
  readonly #throttles = new Map<Reason, LogThrottle>();

  constructor(options: UnauthenticatedOptions) {
    this.#options = options;
  }

  /**
   * @param claim who it claims to be from, and the id of the secret; anybody may have written that
   */
  note(kind: MessageKind, reason: Reason, claim: { from?: string; key?: string } = {}): void {
    const { clock, logger, count } = this.#options;
    count({ what: 'unauthenticated', kind, reason });
    const meaning = MEANING[reason];
    if (meaning === undefined) return;
    let throttle = this.#throttles.get(reason);
    if (throttle === undefined) this.#throttles.set(reason, (throttle = new LogThrottle()));
    const leftOut = throttle.admit(clock.monotonicMs());
    if (leftOut === undefined) return;
    logger.warn({ kind, ...claim, ignored: leftOut + 1 }, `ignored ${meaning}`);
  }
}
