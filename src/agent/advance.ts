import type { Bus, BusReply } from '../bus/bus.ts';
import { isNotHolder } from '../bus/not-holder.ts';
import type { Subjects } from '../bus/subjects.ts';
import type { Clock } from '../time/clock.ts';
import type { Json } from '../json.ts';
import type { HolderCache } from '../request/holder-cache.ts';
import type { AdvanceMessage, ErrorCode } from '../request/messages.ts';
import type { Outcome, Receipt, ReceiptError } from '../request/receipt.ts';
import { readReply } from './replies.ts';

/** One advance to ask for, and how to wait for its answer. All times in milliseconds. */
export interface AdvanceCall {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  holders: HolderCache;
  instanceId: string;
  message: AdvanceMessage & { expiresAt: string };
  /** When to stop waiting; the run itself goes on. */
  timeoutMs: number;
  /** After so much silence the recorded receipt is looked for, and again each time. */
  pollMs: number;
  /** After so much silence the same request is sent again, while it may still be admitted. */
  askAgainMs: number;
  /** Stops the waiting, not the run. */
  signal?: AbortSignal | undefined;
}

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 1_000;
const STATUS_TIMEOUT_MS = 2_000;
/**
 * How long the holder may take alone before all are asked, so that somebody is there should it die:
 * with the time in which they find out that it does not answer, less than half a second.
 */
const HOLDER_ALONE_MS = 150;
const NEVER = Number.POSITIVE_INFINITY;

/**
 * Asks for an advance until there is an answer.
 *
 * A reply can be lost, and so can the replica that worked on the request, so silence is not
 * trusted:
 *
 * 1. The request is sent to the replica that was last known to hold the instance. It goes to all
 *    replicas if none was known, or if that one declines, is gone, or is silent for 150 ms.
 * 2. Its answer is awaited for as long as the caller waits at all.
 * 3. After each `pollMs` of silence any replica is asked for the receipt recorded under the request
 *    id.
 * 4. If nobody listens, there is no connection, or `askAgainMs` pass in silence, the same request
 *    is sent to all again, under the same id, until it has expired. That runs nothing twice: the
 *    same id joins the run under way and gets its receipt.
 *
 * `expiresAt` bounds when the request may begin, not how long it takes: after it nothing is sent
 * again, but a run that may have begun is still waited for.
 *
 * @returns a receipt always; `unavailable` where no answer came
 */
export function askForAdvance(call: AdvanceCall): Promise<Receipt> {
  return new AdvanceWalk(call).run();
}

class AdvanceWalk {
  readonly #call: AdvanceCall;
  readonly #deadline: number;
  readonly #expires: number;
  #answer: Receipt | undefined;
  /** How many sends still wait for their answer. */
  #open = 0;
  #askedAll = false;
  #askAt: number;
  #pollAt: number;
  #retryMs = RETRY_MIN_MS;
  /** Whether some replica may have taken the request up, so that a receipt may yet appear. */
  #maybeTaken = false;
  /** Answers in a row from replicas that knew nothing of the request. */
  #unknownPolls = 0;
  #failure = 'no replica answered';
  #wake = (): void => {};

  constructor(call: AdvanceCall) {
    this.#call = call;
    const now = call.clock.monotonicMs();
    this.#deadline = now + call.timeoutMs;
    this.#expires = now + Date.parse(call.message.expiresAt) - call.clock.wallMs();
    this.#askAt = now;
    this.#pollAt = now + call.pollMs;
  }

  async run(): Promise<Receipt> {
    const { clock, signal, timeoutMs } = this.#call;
    // Sent even if it has expired by this clock: the replica's own clock decides, and says so.
    this.#askHolderOrAll();
    for (;;) {
      if (this.#answer !== undefined) return this.#answered(this.#answer);
      if (signal?.aborted === true) return this.#unavailable('waiting was stopped', true);
      const now = clock.monotonicMs();
      if (now >= this.#deadline)
        return this.#unavailable(`${this.#failure} within ${timeoutMs} ms`, true);
      const expired = now >= this.#expires;
      if (expired && this.#open === 0 && (!this.#maybeTaken || this.#unknownPolls >= 2)) {
        return this.#unavailable(`${this.#failure} before the request expired`, this.#maybeTaken);
      }
      if (!expired && now >= this.#askAt) this.#askAll();
      if (now >= this.#pollAt) this.#poll();
      const next = expired ? NEVER : Math.min(this.#askAt, this.#expires);
      await this.#silence(Math.min(this.#deadline, this.#pollAt, next) - now);
    }
  }

  #answered(answer: Receipt): Receipt {
    // A receipt that was sent in its place says nothing of who holds the instance.
    if (answer.error?.code !== 'unavailable') this.#call.holders.learn(answer);
    return answer;
  }

  #askHolderOrAll(): void {
    const { holders, subjects, instanceId } = this.#call;
    const holder = holders.of(instanceId);
    if (holder === undefined) this.#askAll();
    else
      this.#ask(subjects.advanceAt(holder, instanceId), HOLDER_ALONE_MS, (reply, mayHaveArrived) =>
        this.#hearHolder(reply, mayHaveArrived),
      );
  }

  #askAll(): void {
    const { subjects, instanceId, askAgainMs } = this.#call;
    this.#askedAll = true;
    this.#ask(subjects.advance(instanceId), askAgainMs, (reply, mayHaveArrived) =>
      this.#hear(reply, mayHaveArrived),
    );
  }

  #ask(
    subject: string,
    againMs: number,
    hear: (reply: BusReply, mayHaveArrived: boolean) => void,
  ): void {
    const { bus, clock, message } = this.#call;
    const now = clock.monotonicMs();
    const mayArrive = bus.connected();
    this.#askAt = now + againMs;
    this.#open += 1;
    bus
      .request(subject, message as unknown as Json, Math.max(1, this.#deadline - now))
      .then(
        (reply) => hear(reply, mayArrive),
        (cause: unknown) => (this.#answer ??= this.#unavailable(String(cause), false)),
      )
      .finally(() => {
        this.#open -= 1;
        this.#wake();
      });
  }

  /** What came of asking the holder alone. */
  #hearHolder(reply: BusReply, mayHaveArrived: boolean): void {
    const { bus, holders, instanceId, signal } = this.#call;
    const forbidden = reply.kind === 'disconnected' && mayHaveArrived && bus.connected();
    if (!forbidden && !isNotHolder(reply)) {
      this.#hear(reply, mayHaveArrived);
      return;
    }
    if (forbidden) holders.giveUp();
    else holders.forget(instanceId);
    const ended = this.#answer !== undefined || signal?.aborted === true;
    if (!ended && !this.#askedAll) this.#askAll();
  }

  #hear(reply: BusReply, mayHaveArrived: boolean): void {
    const { instanceId, message } = this.#call;
    switch (reply.kind) {
      case 'reply':
        this.#answer ??= receiptOf(reply.body, message.requestId, instanceId);
        break;
      case 'malformed':
        this.#answer ??= this.#unavailable(reply.why, true);
        break;
      case 'timeout':
        this.#maybeTaken = true;
        break;
      case 'no_responders':
        this.#failure = 'no replica is listening';
        this.#askAgainSoon();
        break;
      case 'disconnected':
        this.#maybeTaken ||= mayHaveArrived;
        this.#failure = 'there is no connection to NATS';
        this.#askAgainSoon();
        break;
    }
  }

  #askAgainSoon(): void {
    const delayMs = this.#retryMs * (0.5 + Math.random() / 2);
    this.#retryMs = Math.min(RETRY_MAX_MS, this.#retryMs * 2);
    this.#askAt = Math.min(this.#askAt, this.#call.clock.monotonicMs() + delayMs);
  }

  #poll(): void {
    const { bus, clock, subjects, instanceId, message, pollMs } = this.#call;
    this.#pollAt = NEVER;
    const patienceMs = Math.max(
      1,
      Math.min(STATUS_TIMEOUT_MS, this.#deadline - clock.monotonicMs()),
    );
    bus
      .request(subjects.status(instanceId), { requestId: message.requestId }, patienceMs)
      .then((reply) => {
        const read = reply.kind === 'reply' ? readReply('status', reply.body) : undefined;
        if (read?.kind !== 'result') return;
        this.#answer ??= read.value.receipt;
        const underWay = read.value.inFlight?.requestId === message.requestId;
        this.#maybeTaken ||= underWay;
        this.#unknownPolls = underWay ? 0 : this.#unknownPolls + 1;
      })
      .catch(() => {})
      .finally(() => {
        this.#pollAt = clock.monotonicMs() + pollMs;
        this.#wake();
      });
  }

  /** Waits for the time to pass, or for something to be heard. */
  #silence(forMs: number): Promise<void> {
    const { clock, signal } = this.#call;
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
    const { instanceId, message } = this.#call;
    const hint = mayRun
      ? '; it may have run all the same, so ask again with the same request id'
      : '';
    return refusal(message.requestId, instanceId, 'unavailable', {
      code: 'unavailable',
      message: `${why}${hint}`,
    });
  }
}

/** What a replica answered, as a receipt: an error reply becomes the refusal that it means. */
function receiptOf(body: Json, requestId: string, instanceId: string): Receipt {
  const read = readReply('receipt', body);
  switch (read.kind) {
    case 'result':
      return read.value;
    case 'error':
      return refusal(requestId, instanceId, outcomeOf(read.error.code), read.error);
    case 'malformed':
      return refusal(requestId, instanceId, 'unavailable', {
        code: 'unavailable',
        message: read.why,
      });
  }
}

function outcomeOf(code: ErrorCode): Outcome {
  return code === 'conflict' ? 'unavailable' : code;
}

/** A receipt that no replica gave. */
export function refusal(
  requestId: string | null,
  instanceId: string,
  outcome: Outcome,
  error: ReceiptError,
): Receipt {
  return { requestId, instanceId, outcome, steps: [], nextCellId: null, holder: null, error };
}
