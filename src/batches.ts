/** How items are sent together. */
export interface BatchOptions<Item> {
  /** At most this many items per batch. */
  maxItems: number;
  /** At most this many batches under way. */
  maxInFlight: number;
  /** Runs `send` once the items of this turn are queued; default: `queueMicrotask`. */
  defer?: ((send: () => void) => void) | undefined;
  /**
   * Called for each new batch; answers the test of whether the next queued item may join it. An
   * item that may not waits for a later batch. The first item of a batch must pass. By default any
   * item may join.
   */
  admission?: (() => (item: Item) => boolean) | undefined;
}

/** Sends a batch and answers each item, in order; an answer may come later than the rest. */
export type SendBatch<Item, Answer> = (
  items: Item[],
) => Promise<readonly (Answer | Promise<Answer>)[]>;

interface Queued<Item, Answer> {
  item: Item;
  resolve: (answer: Answer | Promise<Answer>) => void;
}

/**
 * Sends items together. Without load an item is sent in the same turn of the event loop. While
 * `maxInFlight` batches are under way, items queue, so that batches grow as the load does.
 */
export class Batches<Item, Answer> {
  readonly #options: BatchOptions<Item>;
  readonly #send: SendBatch<Item, Answer>;
  #queue: Queued<Item, Answer>[] = [];
  #inFlight = 0;
  #scheduled = false;

  /** `send` must not reject; a promise among its answers may. */
  constructor(options: BatchOptions<Item>, send: SendBatch<Item, Answer>) {
    this.#options = options;
    this.#send = send;
  }

  /** Queues an item; settles as its answer does. */
  add(item: Item): Promise<Answer> {
    return new Promise((resolve) => {
      this.#queue.push({ item, resolve });
      this.#schedule();
    });
  }

  /** Answers every queued item that has not been sent, because sending is known to fail now. */
  failQueued(answer: (item: Item) => Answer): void {
    for (const { item, resolve } of this.#queue.splice(0)) resolve(answer(item));
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const { defer = queueMicrotask, maxInFlight } = this.#options;
    defer(() => {
      this.#scheduled = false;
      while (this.#queue.length > 0 && this.#inFlight < maxInFlight) void this.#dispatch();
    });
  }

  async #dispatch(): Promise<void> {
    const batch = this.#takeBatch();
    this.#inFlight += 1;
    const answers = await this.#send(batch.map(({ item }) => item));
    this.#inFlight -= 1;
    batch.forEach(({ resolve }, index) => resolve(answers[index] as Answer | Promise<Answer>));
    if (this.#queue.length > 0) this.#schedule();
  }

  #takeBatch(): Queued<Item, Answer>[] {
    const { maxItems, admission } = this.#options;
    if (admission === undefined) return this.#queue.splice(0, maxItems);
    const mayJoin = admission();
    const batch: Queued<Item, Answer>[] = [];
    const rest: Queued<Item, Answer>[] = [];
    for (const queued of this.#queue) {
      if (batch.length < maxItems && mayJoin(queued.item)) batch.push(queued);
      else rest.push(queued);
    }
    this.#queue = rest;
    return batch;
  }
}
