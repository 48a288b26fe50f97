import type { Leases } from '../../coordinator/leases.ts';
import type { Ends } from '../../src/lease/holding.ts';
import { TransientMap } from '../../src/transient-map.ts';

/** One attempt that this process has in hand. */
export interface AttemptInHand {
  /** Identifies it among all attempts. One string for all look-ups, so that it is hashed once. */
  readonly key: string;
  readonly instanceId: string;
  readonly cellId: string;
  readonly attempt: number;
  /** The token of the term under which it was taken. */
  readonly fencingToken: number;
  /** Resolves when the attempt is no longer in hand. */
  readonly done: Promise<void>;
  /** Whether its effect has begun; then only its outcome can end it. */
  readonly begun: boolean;
  /** Ends when the instance is to be cancelled: the effect is then ended, too. */
  readonly notCancelled: Ends;
}

/**
 * What a process states about an attempt. All but `runs` are promises that it will not begin the
 * effect from now on; see {@link Attempts} for how they are kept.
 */
export type AttemptStatement =
  /** It runs it, or has an outcome that is not in the log yet. */
  | 'runs'
  /** It had the attempt in hand, and its effect never began. */
  | 'never_began'
  /** It does not have it in hand. What became of the attempt is unknown. */
  | 'does_not_run';

/** Lasts until the attempt's instance is to be cancelled. Only the attempt's effect listens. */
class NotCancelled implements Ends {
  ended = false;
  #listener: (() => void) | undefined;

  onEnd(listener: () => void): () => void {
    if (this.ended) listener();
    else this.#listener = listener;
    return () => {
      this.#listener = undefined;
    };
  }

  end(): void {
    this.ended = true;
    this.#listener?.();
  }
}

class Entry implements AttemptInHand {
  readonly key: string;
  readonly instanceId: string;
  readonly cellId: string;
  readonly attempt: number;
  readonly fencingToken: number;
  readonly onGivenUp: () => void;
  readonly notCancelled = new NotCancelled();
  begun = false;
  givenUp = false;
  renounced = false;
  #over = false;
  #done: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(
    key: string,
    instanceId: string,
    cellId: string,
    attempt: number,
    fencingToken: number,
    onGivenUp: () => void,
  ) {
    this.key = key;
    this.instanceId = instanceId;
    this.cellId = cellId;
    this.attempt = attempt;
    this.fencingToken = fencingToken;
    this.onGivenUp = onGivenUp;
  }

  // Created on demand, which is rare.
  get done(): Promise<void> {
    if (this.#over) return Promise.resolve();
    if (this.#done === undefined) {
      let resolve = (): void => undefined;
      const promise = new Promise<void>((settle) => {
        resolve = settle;
      });
      this.#done = { promise, resolve };
    }
    return this.#done.promise;
  }

  finish(): void {
    this.#over = true;
    this.#done?.resolve();
  }
}

/**
 * The attempts that this process has in hand. They are registered per process and not per holding,
 * because an attempt outlives the term under which it was begun: from before `started` is sent
 * until the closing row is definite. An outcome that is not yet in the log counts as running.
 *
 * An attempt that was renounced to another term, which saw its `started` in the log, is never
 * begun. No list of promises is needed for that, which anyone who asks could make grow:
 *
 * - An attempt in hand is marked, and the mark lives as long as the attempt is in hand. Once it is
 *   not, its closing row is definite, or its `started` is definitely not in the log.
 * - An attempt that is not in hand could be begun only by a term that takes it in hand again. One
 *   term could send the same `started` again, the one that wrote it, and it ends with the answer:
 *   its token is below that of the term that asks. Every other term would have to write a second
 *   `started` of that attempt, and the log has one already.
 *
 * So what is asked about an attempt that does not exist binds nobody, and is forgotten at once.
 */
export class Attempts {
  readonly #leases: () => Pick<Leases, 'holding' | 'supersede'>;
  readonly #inHand = new TransientMap<string, Entry>();

  /** @param leases the terms of this process, which end with a promise */
  constructor(leases: () => Pick<Leases, 'holding' | 'supersede'>) {
    this.#leases = leases;
  }

  /**
   * Takes an attempt in hand; undefined if this process has it already. Called only under a term
   * that is trusted at this very moment, which no term is any more that made a promise.
   *
   * @param onGivenUp called if it is given up before its effect has begun; see {@link giveUp}
   */
  take(
    instanceId: string,
    cellId: string,
    attempt: number,
    fencingToken: number,
    onGivenUp: () => void = () => undefined,
  ): AttemptInHand | undefined {
    const key = keyOf(instanceId, cellId, attempt);
    if (this.#inHand.has(key)) return undefined;
    const entry = new Entry(key, instanceId, cellId, attempt, fencingToken, onGivenUp);
    this.#inHand.set(key, entry);
    return entry;
  }

  /**
   * Marks the effect as begun. False if it must not begin: it was given up, cancelled or renounced.
   */
  begin(attempt: AttemptInHand): boolean {
    const entry = this.#inHand.get(attempt.key);
    if (entry === undefined || entry.givenUp || entry.renounced) return false;
    if (entry.notCancelled.ended) return false;
    entry.begun = true;
    return true;
  }

  /** Whether it is in hand, and was renounced to the term that replaced its own. */
  renounced({ key }: AttemptInHand): boolean {
    return this.#inHand.get(key)?.renounced === true;
  }

  /**
   * Ends an attempt: its closing row is definite, or its `started` is definitely not in the log.
   */
  end({ key }: AttemptInHand): void {
    this.#inHand.get(key)?.finish();
    this.#inHand.delete(key);
  }

  /** The attempt, if this process has it in hand. Promises nothing. */
  get(instanceId: string, cellId: string, attempt: number): AttemptInHand | undefined {
    return this.#inHand.get(keyOf(instanceId, cellId, attempt));
  }

  /**
   * Answers a term that found the attempt open whether this process runs it. One in hand whose
   * effect has not begun is renounced to a later term only: an earlier term that asks is the one
   * that was replaced.
   *
   * @param fencingToken the token of the term that asks. Without it nothing can be promised
   */
  runsOrRenounces(
    instanceId: string,
    cellId: string,
    attempt: number,
    fencingToken: number | undefined,
  ): AttemptStatement {
    if (fencingToken === undefined) return 'runs';
    const entry = this.#inHand.get(keyOf(instanceId, cellId, attempt));
    if (entry !== undefined) {
      if (entry.begun || fencingToken <= entry.fencingToken) return 'runs';
      entry.renounced = true;
    }
    const leases = this.#leases();
    const holding = leases.holding(instanceId);
    // The term that asks has replaced it. If this one went on, each would call off what the other
    // begins.
    if (holding !== undefined && holding.token < fencingToken) leases.supersede(holding);
    return entry === undefined ? 'does_not_run' : 'never_began';
  }

  /** Ends the effect of an attempt that this process has in hand, or keeps it from beginning. */
  cancel(instanceId: string, cellId: string, attempt: number): void {
    this.#inHand.get(keyOf(instanceId, cellId, attempt))?.notCancelled.end();
  }

  /**
   * Gives up every attempt whose effect has not begun, because nobody knows when their intents will
   * be definite. This is no promise: if an intent turns out not to be in the log, the attempt with
   * that number may still be made.
   */
  giveUp(): void {
    for (const entry of this.#inHand.values()) {
      if (entry.begun || entry.givenUp) continue;
      entry.givenUp = true;
      entry.onGivenUp();
    }
  }

  /** Every attempt in hand. */
  all(): AttemptInHand[] {
    return [...this.#inHand.values()];
  }
}

function keyOf(instanceId: string, cellId: string, attempt: number): string {
  return `${instanceId}/${cellId}/${attempt}`;
}
