/** A message with so many of the longest keys is well below what the bus carries. */
const MOST = 1_000;

/**
 * Tells the other replicas which requests are answered: those that are answered together in one message, and none later
 * than its answer, for a replica may die right after it.
 */
export class AnsweredNotes {
  readonly #send: (keys: string[]) => void;
  #keys: string[] = [];

  constructor(send: (keys: string[]) => void) {
    this.#send = send;
  }

  add(key: string): void {
    if (this.#keys.push(key) === 1) queueMicrotask(() => this.flush());
    else if (this.#keys.length >= MOST) this.flush();
  }

  /** Sends what has gathered. */
  flush(): void {
    const keys = this.#keys;
    if (keys.length === 0) return;
    this.#keys = [];
    this.#send(keys);
  }
}
