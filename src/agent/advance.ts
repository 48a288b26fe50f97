import type { Bus, BusReply } from '../bus/bus.ts';
import { isNotHolder } from '../bus/not-holder.ts';
import type { Subjects } from '../bus/subjects.ts';
import type { Clock } from '../time/clock.ts';
import { jsonOf } from '../json.ts';
import type { HolderCache } from '../request/holder-cache.ts';
import type { AdvanceMessage } from '../request/messages.ts';
import type { Receipt } from '../request/receipt.ts';
import { receiptOf, refusal } from './receipt-of-reply.ts';
import { answers, answersStatus, readReply } from './replies.ts';

/** One advance request, and how to wait for its receipt. All times in milliseconds. */
export interface AdvanceCallOptions {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  holders: HolderCache;
  instanceId: string;
  message: AdvanceMessage & { expiresAt: string };
  /** When to stop waiting; the run itself goes on. */
  timeoutMs: number;
  /** After this much silence, look for the recorded receipt; repeated. */
  pollMs: number;
  /** After this much silence, send the same request again, while it may still be admitted. */
  askAgainMs: number;
  /** Stops the waiting, not the run. */
  signal?: AbortSignal | undefined;
}

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 1_000;
const STATUS_TIMEOUT_MS = 2_000;
/**
 * How long the holder has the request alone before it is broadcast, so that other replicas know of
 * it should the holder die. Together with the time in which they find out that the holder does not
 * answer, this is less than half a second.
 */
const HOLDER_ALONE_MS = 150;
const NEVER = Number.POSITIVE_INFINITY;

/**
 * Sends an advance request until its receipt arrives.
 *
 * A reply can be lost, and so can the replica that worked on the request, so silence proves
 * nothing:
 *
 * 1. The request is sent to the replica that was last known to hold the instance. It is broadcast
 *    if none was known, or if that replica declines, is gone, or is silent for 150 ms.
 * 2. Its reply is awaited for as long as the caller waits at all.
 * 3. After each `pollMs` of silence, any replica is asked for the receipt recorded under the
 * request
 *    id.
 * 4. If nobody is subscribed, there is no connection, or `askAgainMs` pass in silence, the same
 *    request is broadcast again, under the same id, until it expires. That runs nothing twice: the
 *    same id joins the run under way and gets its receipt.
 *
 * `expiresAt` bounds when the request may begin, not how long it takes. Nothing is sent after it,
 * but a run that may have begun is still waited for.
 *
 * @returns a receipt always; `unavailable` when no reply came
 */
export function advanceUntilAnswered(options: AdvanceCallOptions): Promise<Receipt> {
  return new AdvanceCall(options).run();
}

class AdvanceCall {
  readonly #options: AdvanceCallOptions;
  readonly #deadlineMs: number;
  readonly #expiresMs: number;
  #answer: Receipt | undefined;
  /** How many sends still wait for their reply. */
  #inFlight = 0;
  #wasBroadcast = false;
  /** The replica that the request was sent to directly and that has not answered it. */
  #silentHolder: string | undefined;
  #broadcastAtMs: number;
  #pollAtMs: number;
  #retryMs = RETRY_MIN_MS;
  /** Whether a replica may have taken the request, so that a receipt may still appear. */
  #mayBeTaken = false;
  /** How many status replies in a row knew nothing of the request. */
  #unknownPolls = 0;
  #failure = 'no replica answered';
  #wake = (): void => {};

  constructor(options: AdvanceCallOptions) {
    this.#options = options;
    const nowMs = options.clock.monotonicMs();
    this.#deadlineMs = nowMs + options.timeoutMs;
    this.#expiresMs = nowMs + Date.parse(options.message.expiresAt) - options.clock.wallMs();
    this.#broadcastAtMs = nowMs;
    this.#pollAtMs = nowMs + options.pollMs;
  }

  async run(): Promise<Receipt> {
    const { clock, signal, timeoutMs } = this.#options;
    // Sent even if it has expired by this clock: the replica's clock decides, and reports it.
    this.#sendFirst();
    for (;;) {
      if (this.#answer !== undefined) return this.#learnHolder(this.#answer);
      if (signal?.aborted === true) return this.#unavailable('waiting was stopped', true);
      const nowMs = clock.monotonicMs();
      if (nowMs >= this.#deadlineMs)
        return this.#unavailable(`${this.#failure} within ${timeoutMs} ms`, true);
      const expired = nowMs >= this.#expiresMs;
      if (expired && this.#inFlight === 0 && (!this.#mayBeTaken || this.#unknownPolls >= 2)) {
        return this.#unavailable(`${this.#failure} before the request expired`, this.#mayBeTaken);
      }
      if (!expired && nowMs >= this.#broadcastAtMs) this.#broadcast();
      if (nowMs >= this.#pollAtMs) this.#poll();
      const nextMs = expired ? NEVER : Math.min(this.#broadcastAtMs, this.#expiresMs);
      await this.#pause(Math.min(this.#deadlineMs, this.#pollAtMs, nextMs) - nowMs);
    }
  }

  #learnHolder(answer: Receipt): Receipt {
    const { holders, instanceId } = this.#options;
    // A receipt that stands for a missing reply does not say who holds the instance.
    if (answer.error?.code === 'unavailable') return answer;
    // A holder that cannot be heard may have recorded the receipt, and another replica have read
    // it: the next request would wait for the same silence.
    if (answer.holder?.replicaId === this.#silentHolder) holders.forget(instanceId);
    else holders.learn(answer);
    return answer;
  }

  #sendFirst(): void {
    const { holders, subjects, instanceId } = this.#options;
    const holder = holders.of(instanceId);
    if (holder === undefined) {
      this.#broadcast();
      return;
    }
    this.#silentHolder = holder;
    this.#send(subjects.advanceAt(holder, instanceId), HOLDER_ALONE_MS, (reply, mayHaveArrived) =>
      this.#onHolderReply(reply, mayHaveArrived),
    );
  }

  #broadcast(): void {
    const { subjects, instanceId, askAgainMs } = this.#options;
    this.#wasBroadcast = true;
    this.#send(subjects.advance(instanceId), askAgainMs, (reply, mayHaveArrived) =>
      this.#onReply(reply, mayHaveArrived),
    );
  }

  /** Sends the request, and plans the next broadcast for after `broadcastAfterMs` of silence. */
  #send(
    subject: string,
    broadcastAfterMs: number,
    onReply: (reply: BusReply, mayHaveArrived: boolean) => void,
  ): void {
    const { bus, clock, instanceId, message } = this.#options;
    const nowMs = clock.monotonicMs();
    const mayArrive = bus.connected();
    this.#broadcastAtMs = nowMs + broadcastAfterMs;
    this.#inFlight += 1;
    bus
      .request(
        subject,
        jsonOf(message),
        Math.max(1, this.#deadlineMs - nowMs),
        answers({ instanceId, requestId: message.requestId }),
      )
      .then(
        (reply) => onReply(reply, mayArrive),
        (cause: unknown) => (this.#answer ??= this.#unavailable(String(cause), false)),
      )
      .finally(() => {
        this.#inFlight -= 1;
        this.#wake();
      });
  }

  /** What came of the request that was sent directly to the holder. */
  #onHolderReply(reply: BusReply, mayHaveArrived: boolean): void {
    const { bus, holders, instanceId, signal } = this.#options;
    if (reply.kind === 'reply') this.#silentHolder = undefined;
    const forbidden = reply.kind === 'disconnected' && mayHaveArrived && bus.connected();
    if (!forbidden && !isNotHolder(reply)) {
      this.#onReply(reply, mayHaveArrived);
      return;
    }
    if (forbidden) holders.disable();
    else holders.forget(instanceId);
    const ended = this.#answer !== undefined || signal?.aborted === true;
    if (!ended && !this.#wasBroadcast) this.#broadcast();
  }

  #onReply(reply: BusReply, mayHaveArrived: boolean): void {
    const { instanceId, message } = this.#options;
    switch (reply.kind) {
      case 'reply':
        this.#answer ??= receiptOf(reply.body, message.requestId, instanceId);
        break;
      case 'malformed':
        this.#answer ??= this.#unavailable(reply.why, true);
        break;
      case 'timeout':
        this.#mayBeTaken = true;
        break;
      case 'no_responders':
        this.#failure = 'no replica is listening in this namespace';
        this.#broadcastSoon();
        break;
      case 'disconnected':
        this.#mayBeTaken ||= mayHaveArrived;
        this.#failure = 'there is no connection to NATS';
        this.#broadcastSoon();
        break;
    }
  }

  #broadcastSoon(): void {
    const delayMs = this.#retryMs * (0.5 + Math.random() / 2);
    this.#retryMs = Math.min(RETRY_MAX_MS, this.#retryMs * 2);
    this.#broadcastAtMs = Math.min(
      this.#broadcastAtMs,
      this.#options.clock.monotonicMs() + delayMs,
    );
  }

  #poll(): void {
    const { bus, clock, subjects, instanceId, message, pollMs } = this.#options;
    this.#pollAtMs = NEVER;
    const timeoutMs = Math.max(
      1,
      Math.min(STATUS_TIMEOUT_MS, this.#deadlineMs - clock.monotonicMs()),
    );
    const { requestId } = message;
    bus
      .request(
        subjects.status(instanceId),
        { requestId },
        timeoutMs,
        answersStatus(instanceId, requestId),
      )
      .then((reply) => {
        const read = reply.kind === 'reply' ? readReply('status', reply.body) : undefined;
        if (read?.kind !== 'result') return;
        this.#answer ??= read.value.receipt;
        const underWay = read.value.inFlight?.requestId === requestId;
        this.#mayBeTaken ||= underWay;
        this.#unknownPolls = underWay ? 0 : this.#unknownPolls + 1;
      })
      .catch(() => {})
      .finally(() => {
        this.#pollAtMs = clock.monotonicMs() + pollMs;
        this.#wake();
      });
  }

  /** Waits for the time to pass, for a reply, or for the signal. */
  #pause(forMs: number): Promise<void> {
    const { clock, signal } = this.#options;
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = clock.after(Math.max(1, Math.ceil(forMs)), done);
      signal?.addEventListener('abort', done, { once: true });
      this.#wake = done;
    });
  }

  #unavailable(why: string, mayRun: boolean): Receipt {
    const { instanceId, message } = this.#options;
    const hint = mayRun ? '; it may still have run, so ask again with the same request id' : '';
    return refusal(message.requestId, instanceId, 'unavailable', {
      code: 'unavailable',
      message: `${why}${hint}`,
    });
  }
}
