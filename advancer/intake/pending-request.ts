import type { Clock } from '../../src/time/clock.ts';
import type { Json } from '../../src/json.ts';
import type { RequestProgress } from '../run/active-request.ts';
import type { HeldInstance } from '../run/held-instance.ts';
import type { WrongReplica } from '../run/wrong-replica.ts';
import type { Snapshot } from '../log/log.ts';
import type { Share } from './quota.ts';
import type { Waiter } from './waiting-room.ts';

/** What came of serving a request, whatever its verb: the reply as it is sent, or none here. */
export type Served =
  /** `recorded`: the answer is in the log, where another replica will find it. */
  | { kind: 'answered'; reply: Json; recorded: boolean }
  | { kind: 'handed_on' }
  /** There is no such instance, so nobody needs to hold it. */
  | { kind: 'no_instance'; reply: Json }
  /** Another replica has to do it; `refusal` makes the reply if there is none that can. */
  | { kind: 'wrong_replica'; wrong: WrongReplica; refusal: () => Json };

/**
 * At most this many senders of one request get its reply: the first one and the newest. For the
 * others the result stays unknown, which is always true.
 */
const MAX_SENDERS = 16;

/** A broadcast in the form in which one replica forwards it to another. */
export interface ForwardedBroadcast {
  verb: 'advance' | 'decide' | 'cancel' | 'enqueue';
  instanceId: string;
  /** The body, as text. */
  body: string;
}

/** What a request asks for, whatever its verb. */
export interface Operation {
  /** Identifies the request, on every replica alike. */
  key: string;
  instanceId: string;
  /** The id under which an agent repeats it; only of an advance. */
  requestId?: string | undefined;
  /** What it counts for while it is remembered. */
  share: Share;
  /** By the wall clock, in milliseconds since 1970; nobody acts on it afterwards. */
  expiresAtMs: number;
  /**
   * Whether it may run an effect or a probe: only then does it matter what a replica can run.
   */
  runsEffects: boolean;
  /** Does the work under a holding. */
  serve(held: HeldInstance, progress: RequestProgress): Promise<Served>;
  /** The message to forward to a holder that may not have received it; absent: not worth it. */
  forward?: (() => ForwardedBroadcast) | undefined;
  /** The reply when no replica can serve it for now, or it has expired. */
  refusal(outcome: 'unavailable' | 'expired' | 'not_found', why: string): Json;
}

/**
 * A request that this replica remembers until any replica answers it or it expires. Every replica
 * remembers every broadcast, so that the request survives the death of the replica serving it.
 */
export class PendingRequest implements RequestProgress {
  readonly operation: Operation;
  /** Since when its turns count, on the monotonic clock. */
  turnsFromMs: number;
  /**
   * Whether it was sent to this replica alone: then no other replica knows of it, and its sender
   * takes care of it.
   */
  direct = false;
  /** Whether it was not served as soon as it came. */
  remembered = false;
  /** Whether another replica announced that it has answered it. */
  answeredElsewhere = false;
  /** Its place in the waiting room, once it has had one. */
  waiter: Waiter | undefined;
  /** The holder that it was forwarded to. */
  forwardedTo: string | undefined;
  /** The reply, once there is one. */
  reply: Json | undefined;
  /**
   * What was read of the instance just before its lease was acquired.
   */
  snapshot: Snapshot | undefined;
  /** How often it was sent. */
  senders = 1;
  readonly #replies: ((body: Json) => void)[];
  #onSettled: (() => void)[] = [];
  #settled = false;
  #wake: () => void = () => undefined;
  #woken = false;

  constructor(operation: Operation, turnsFromMs: number, reply: (body: Json) => void) {
    this.operation = operation;
    this.turnsFromMs = turnsFromMs;
    this.#replies = [reply];
  }

  /** Whether there is nothing left to do for it. */
  get settled(): boolean {
    return this.#settled;
  }

  /**
   * The same request was sent again: its sender gets the same answer.
   *
   * @returns false if an earlier sender gets none, because there are too many
   */
  alsoReplyTo(reply: (body: Json) => void): boolean {
    this.senders += 1;
    this.#replies.push(reply);
    if (this.#replies.length <= MAX_SENDERS) return true;
    this.#replies.splice(1, 1);
    return false;
  }

  /** See {@link RequestProgress}. */
  takeSnapshot(): Snapshot | undefined {
    const { snapshot } = this;
    this.snapshot = undefined;
    return snapshot;
  }

  /** Replies to every sender, and settles the request. */
  answer(body: Json): void {
    this.reply = body;
    for (const reply of this.#replies) reply(body);
    this.settle();
  }

  /** It is answered, or given up: forget it. */
  settle(): void {
    this.#settled = true;
    for (const settled of this.#onSettled.splice(0)) settled();
    this.wake();
  }

  /** Calls back once there is nothing left to do for it here, whatever became of it. */
  onSettled(settled: () => void): void {
    if (this.#settled) settled();
    else this.#onSettled.push(settled);
  }

  /** Something has changed: look at it now. */
  wake(): void {
    this.#woken = true;
    this.#wake();
  }

  /**
   * Resolves after `pauseMs` or at the next {@link PendingRequest.wake}; at once if there was one
   * since the last pause.
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
