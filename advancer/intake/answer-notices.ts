import type { Clock, Timer } from '../../src/time/clock.ts';

/** A message with so many of the longest keys is well below what the bus carries. */
const MOST = 1_000;
/** Below the time that others leave to a holder before they look after a request of its. */
const WAIT_MS = 50;

/**
 * Tells the other replicas which requests are answered, many in one message: each message wakes
 * every replica, which costs it more than reading does.
 *
 * An answer that is recorded can wait to be told of: should this process die before, whoever takes
 * the request up finds the record. A refusal is recorded nowhere, so it is told of no later than
 * its agent is answered.
 */
export class AnswerNotices {
  readonly #clock: Clock;
  readonly #send: (keys: string[]) => void;
  #keys: string[] = [];
  #timer: Timer | undefined;
  #posting = false;

  constructor(clock: Clock, send: (keys: string[]) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** @param recorded whether the answer is in the log */
  add(key: string, recorded: boolean): void {
    const count = this.#keys.push(key);
    if (count >= MOST) this.flush();
    else if (recorded) this.#timer ??= this.#clock.after(WAIT_MS, () => this.flush());
    else if (!this.#posting) {
      // Together with the others of this turn, and before anything that is sent after it.
      this.#posting = true;
      queueMicrotask(() => this.flush());
    }
  }

  /** Sends what has gathered. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#posting = false;
    const keys = this.#keys;
    if (keys.length === 0) return;
    this.#keys = [];
    this.#send(keys);
  }
}
