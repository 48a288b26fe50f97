import type { Clock, Timer } from '../../src/clock.ts';

/** How long a note may wait for others, in milliseconds; nobody steps in for a request that is younger. */
const GATHER_MS = 10;
/** A message with so many of the longest keys is well below what the bus carries. */
const MOST = 1_000;

/** Tells the other replicas which requests are answered, many in one message. */
export class AnsweredNotes {
  readonly #clock: Clock;
  readonly #send: (keys: string[]) => void;
  #keys: string[] = [];
  #timer: Timer | undefined;

  constructor(clock: Clock, send: (keys: string[]) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  add(key: string): void {
    this.#keys.push(key);
    if (this.#keys.length >= MOST) this.flush();
    else this.#timer ??= this.#clock.after(GATHER_MS, () => this.flush());
  }

  /** Sends what has gathered. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const keys = this.#keys;
    if (keys.length === 0) return;
    this.#keys = [];
    this.#send(keys);
  }
}
