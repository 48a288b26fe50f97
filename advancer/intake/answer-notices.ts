import type { Clock, Timer } from '../../src/time/clock.ts';

/** A message with this many of the longest keys is well below the bus's size limit. */
const MAX_KEYS = 1_000;
/** Less than the grace that others give a holder before they check on one of its requests. */
const WAIT_MS = 50;

/**
 * Announces to the other replicas which requests are answered, many in one message: each message
 * wakes every replica, which costs more than reading it.
 *
 * The announcement of a recorded answer can wait: should this process die first, the replica that
 * takes the request up finds the record. A refusal is recorded nowhere, so it is announced no later
 * than its agent is answered.
 */
export class AnswerNotices {
  readonly #clock: Clock;
  readonly #send: (keys: string[]) => void;
  #keys: string[] = [];
  #timer: Timer | undefined;
  #flushQueued = false;

  constructor(clock: Clock, send: (keys: string[]) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** @param recorded whether the answer is in the log */
  add(key: string, recorded: boolean): void {
    const count = this.#keys.push(key);
    if (count >= MAX_KEYS) this.flush();
    else if (recorded) this.#timer ??= this.#clock.after(WAIT_MS, () => this.flush());
    else if (!this.#flushQueued) {
      // In a microtask: together with the others of this turn, and before anything sent after it.
      this.#flushQueued = true;
      queueMicrotask(() => this.flush());
    }
  }

  /** Sends what has gathered. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#flushQueued = false;
    const keys = this.#keys;
    if (keys.length === 0) return;
    this.#keys = [];
    this.#send(keys);
  }
}
