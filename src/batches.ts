/** How items are sent together. */
export interface BatchLimits {
  maxItems: number;
  maxInFlight: number;
  /** When to send what has gathered; by default as soon as what runs now gives way. */
  defer?: ((send: () => void) => void) | undefined;
}

interface Queued<Item, Answer> {
  item: Item;
  resolve: (answer: Answer) => void;
}

/**
 * Sends items together. Without load an item goes out in the same turn of the event loop; while as
 * many batches as allowed are under way, items gather, so that batches grow exactly as load does.
 */
export class Batches<Item, Answer> {
  readonly #limits: BatchLimits;
  readonly #send: (items: Item[]) => Promise<Answer[]>;
  #queue: Queued<Item, Answer>[] = [];
  #inFlight = 0;
  #scheduled = false;

  /** `send` answers each item, in their order, and must not reject. */
  constructor(limits: BatchLimits, send: (items: Item[]) => Promise<Answer[]>) {
    this.#limits = limits;
    this.#send = send;
  }

  /** Queues an item; resolves with its answer. */
  add(item: Item): Promise<Answer> {
    return new Promise((resolve) => {
      this.#queue.push({ item, resolve });
      this.#schedule();
    });
  }

  /** Answers every item that has not been sent: what they would wait for is known not to answer. */
  failQueued(answer: (item: Item) => Answer): void {
    for (const { item, resolve } of this.#queue.splice(0)) resolve(answer(item));
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const { defer = queueMicrotask } = this.#limits;
    defer(() => {
      this.#scheduled = false;
      while (this.#queue.length > 0 && this.#inFlight < this.#limits.maxInFlight) {
        void this.#dispatch(this.#queue.splice(0, this.#limits.maxItems));
      }
    });
  }

  async #dispatch(batch: Queued<Item, Answer>[]): Promise<void> {
    this.#inFlight += 1;
    const answers = await this.#send(batch.map(({ item }) => item));
    this.#inFlight -= 1;
    batch.forEach(({ resolve }, index) => resolve(answers[index] as Answer));
    if (this.#queue.length > 0) this.#schedule();
  }
}
