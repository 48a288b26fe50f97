import { TransientMap } from '../../src/transient-map.ts';

/** One attempt that this process has in hand. */
export interface AttemptInHand {
  /**
   * Names it among all attempts. One text for all look-ups: the engine computes the hash of a text
   * once.
   */
  readonly key: string;
  readonly instanceId: string;
  readonly cellId: string;
  readonly attempt: number;
  /** The token of the term that it was taken under. */
  readonly fencingToken: number;
  /** Resolves when the attempt is no longer in hand. */
  readonly done: Promise<void>;
  /** Whether its effect has begun, so that only its outcome can end it. */
  readonly begun: boolean;
}

/**
 * What a process says of an attempt. Each but `runs` is a promise that it will not begin the effect
 * from now on.
 */
export type AttemptStatement =
  /** It runs it, or has an outcome in hand that is not in the log yet. */
  | 'runs'
  /** It had the attempt in hand, and its effect never began. */
  | 'never_began'
  /** It does not have it in hand; what came of it, others cannot know. */
  | 'does_not_run';

class Entry implements AttemptInHand {
  readonly key: string;
  readonly instanceId: string;
  readonly cellId: string;
  readonly attempt: number;
  readonly fencingToken: number;
  readonly onGivenUp: () => void;
  begun = false;
  givenUp = false;
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

  // Made when somebody asks for it, which hardly anybody does.
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
 * Which attempts this process runs: registered per process, not per holding, from before `started`
 * is sent until its closing row is definite, since an attempt outlives the term it was begun under.
 * An outcome in hand that is not yet in the log counts as running.
 *
 * What was renounced to another replica, which saw its `started` in the log, is never begun.
 */
export class Attempts {
  readonly #inHand = new TransientMap<string, Entry>();
  readonly #renounced = new Map<string, Exclude<AttemptStatement, 'runs'>>();

  /**
   * Takes an attempt in hand; undefined when this process has it already, or has promised not to
   * run it.
   *
   * @param onGivenUp called when it is given up before its effect has begun: see {@link giveUp}
   */
  take(
    instanceId: string,
    cellId: string,
    attempt: number,
    fencingToken: number,
    onGivenUp: () => void = () => undefined,
  ): AttemptInHand | undefined {
    const key = keyOf(instanceId, cellId, attempt);
    if (this.#renounced.has(key) || this.#inHand.has(key)) return undefined;
    const entry = new Entry(key, instanceId, cellId, attempt, fencingToken, onGivenUp);
    this.#inHand.set(key, entry);
    return entry;
  }

  /**
   * Says that the effect begins now. False: it was given up or renounced meanwhile, and must not.
   */
  begin(attempt: AttemptInHand): boolean {
    const entry = this.#inHand.get(attempt.key);
    if (entry === undefined || entry.givenUp || this.renounced(attempt)) return false;
    entry.begun = true;
    return true;
  }

  /** Whether it was renounced to whoever has replaced its term. */
  renounced({ key }: AttemptInHand): boolean {
    return this.#renounced.has(key);
  }

  /**
   * Lets an attempt go: its closing row is definite, or its `started` definitely is not in the log.
   */
  end({ key }: AttemptInHand): void {
    this.#inHand.get(key)?.finish();
    this.#inHand.delete(key);
  }

  /** The attempt, if this process has it in hand. Binds nobody. */
  get(instanceId: string, cellId: string, attempt: number): AttemptInHand | undefined {
    return this.#inHand.get(keyOf(instanceId, cellId, attempt));
  }

  /**
   * Answers whoever finds the attempt open whether this process runs it. One in hand whose effect
   * has not begun is renounced to a later term only: others that ask are themselves the ones that
   * were replaced.
   *
   * @param fencingToken the token of whoever asks, where it says so
   */
  runsOrRenounces(
    instanceId: string,
    cellId: string,
    attempt: number,
    fencingToken = 0,
  ): AttemptStatement {
    const key = keyOf(instanceId, cellId, attempt);
    const entry = this.#inHand.get(key);
    if (entry !== undefined && (entry.begun || fencingToken <= entry.fencingToken)) return 'runs';
    const said = this.#renounced.get(key) ?? (entry === undefined ? 'does_not_run' : 'never_began');
    this.#renounced.set(key, said);
    return said;
  }

  /**
   * Gives up every attempt whose effect has not begun, since nobody knows when their intents will
   * be definite. Binds nobody beyond that: should the intent turn out not to be in the log, the
   * attempt of that number is still to be made.
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
