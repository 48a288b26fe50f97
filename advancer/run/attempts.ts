/** One attempt that this process has in hand. */
export interface AttemptInHand {
  readonly instanceId: string;
  readonly cellId: string;
  readonly attempt: number;
  /** Resolves when the attempt is no longer in hand. */
  readonly done: Promise<void>;
}

interface Entry extends AttemptInHand {
  finish: () => void;
}

/**
 * Which attempts this process runs: registered per process, not per holding, from before `started` is sent until its
 * closing row is definite, since an attempt outlives the term it was begun under. An outcome in hand that is not yet
 * in the log counts as running.
 *
 * "I do not run it", said to another replica, is a promise: from then on this process neither begins that effect nor
 * sends that `started`.
 */
export class Attempts {
  readonly #inHand = new Map<string, Entry>();
  readonly #renounced = new Set<string>();

  /** Takes an attempt in hand; undefined when this process has it already, or has promised not to run it. */
  begin(instanceId: string, cellId: string, attempt: number): AttemptInHand | undefined {
    const key = keyOf(instanceId, cellId, attempt);
    if (this.#renounced.has(key) || this.#inHand.has(key)) return undefined;
    let finish = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const entry: Entry = { instanceId, cellId, attempt, done, finish };
    this.#inHand.set(key, entry);
    return entry;
  }

  /** Lets an attempt go: its closing row is definite, or its `started` definitely is not in the log. */
  end(attempt: AttemptInHand): void {
    const key = keyOf(attempt.instanceId, attempt.cellId, attempt.attempt);
    this.#inHand.get(key)?.finish();
    this.#inHand.delete(key);
  }

  /** The attempt, if this process has it in hand. Binds nobody. */
  get(instanceId: string, cellId: string, attempt: number): AttemptInHand | undefined {
    return this.#inHand.get(keyOf(instanceId, cellId, attempt));
  }

  /** Answers another replica whether this process runs the attempt; a `false` binds it. */
  runsOrRenounces(instanceId: string, cellId: string, attempt: number): boolean {
    const key = keyOf(instanceId, cellId, attempt);
    if (this.#inHand.has(key)) return true;
    this.#renounced.add(key);
    return false;
  }

  /** Every attempt in hand. */
  all(): AttemptInHand[] {
    return [...this.#inHand.values()];
  }
}

function keyOf(instanceId: string, cellId: string, attempt: number): string {
  return `${instanceId}/${cellId}/${attempt}`;
}
