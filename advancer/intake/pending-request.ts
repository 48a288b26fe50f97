import type { Clock } from '../../src/time/clock.ts';
import type { Json } from '../../src/json.ts';
import type { RequestProgress } from '../run/advance.ts';
import type { HeldInstance } from '../run/held-instance.ts';
import type { Waiter } from './waiting-room.ts';

/** What came of serving a request on a held instance. */
export type Served =
  /** `recorded`: the answer is in the log, for whoever takes the request up again. */
  { kind: 'answered'; reply: Json; recorded: boolean } | { kind: 'handed_on' };

/** A broadcast as one replica sends it on to another. */
export type Forward = {
  verb: 'advance' | 'decide';
  instanceId: string;
  /** The body, as text. */
  body: string;
};

/** What a request wants, whatever its verb. */
export interface Operation {
  /** Tells it from all other requests, on every replica alike. */
  key: string;
  instanceId: string;
  /** By the wall clock, in milliseconds since 1970; nobody acts on it afterwards. */
  expiresAtMs: number;
  /** Does the work under a holding. */
  serve(held: HeldInstance, standing: RequestProgress): Promise<Served>;
  /**
   * The message as it can be sent on to a holder that may not have heard it; undefined: it is not
   * worth it.
   */
  forward?: (() => Forward) | undefined;
  /** What to say when nobody can serve it for now, or it has expired. */
  refusal(outcome: 'unavailable' | 'expired', why: string): Json;
}

/**
 * A request as this replica remembers it, until it is answered by whoever, or expires. Every
 * replica remembers every broadcast, so that one survives the death of the replica that was serving
 * it.
 */
export class PendingRequest implements RequestProgress {
  readonly errand: Operation;
  /** When its turn order was last laid down, on the monotonic clock. */
  turnsFromMs: number;
  /**
   * Whether it came to this replica alone: then nobody else knows of it, and whoever sent it looks
   * after it.
   */
  direct = false;
  /** Whether it was not served as soon as it came. */
  remembered = false;
  /** Whether another replica said that it has answered it. */
  answeredElsewhere = false;
  /** Its place in the lobby, from when it has had one. */
  guest: Waiter | undefined;
  /** The holder that it was sent on to. */
  forwardedTo: string | undefined;
  readonly #replies: ((body: Json) => void)[];
  #settled = false;
  #wake: () => void = () => undefined;
  #woken = false;

  constructor(errand: Operation, turnsFromMs: number, reply: (body: Json) => void) {
    this.errand = errand;
    this.turnsFromMs = turnsFromMs;
    this.#replies = [reply];
  }

  /** Whether it needs nobody any more. */
  get settled(): boolean {
    return this.#settled;
  }

  /** The same request was sent again: whoever sent it gets the same answer. */
  alsoReplyTo(reply: (body: Json) => void): void {
    this.#replies.push(reply);
  }

  /** Answers everybody who sent it. */
  answer(body: Json): void {
    for (const reply of this.#replies) reply(body);
    this.settle();
  }

  /** It is answered, or given up: forget it. */
  settle(): void {
    this.#settled = true;
    this.wake();
  }

  /** Something has changed: look at it now. */
  wake(): void {
    this.#woken = true;
    this.#wake();
  }

  /**
   * Resolves after so long, or at the next {@link PendingRequest.wake}; at once, if there was one since the
   * last pause.
   */
  async pauseUntilWoken(clock: Clock, pauseMs: number): Promise<void> {
    if (!this.#woken) {
      await new Promise<void>((resolve) => {
        const timer = clock.after(pauseMs, resolve);
        this.#wake = () => {
          timer.cancel();
          resolve();
        };
      });
      this.#wake = () => undefined;
    }
    this.#woken = false;
  }
}
