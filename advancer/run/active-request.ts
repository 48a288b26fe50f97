import type { Snapshot } from '../log/log.ts';
import type { ReplyError } from '../../src/request/messages.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { InstanceLog } from './instance-log.ts';

/** An advance request that was read and checked. */
export interface AdvanceRequest {
  instanceId: string;
  requestId: string;
  /** Null if nobody can tell who sent it; then it is refused. */
  agentId: string | null;
  cellId?: string | undefined;
  maxCells?: number | undefined;
  wait: boolean;
  /** Whether this process derived it: an unattended instance goes on, and nobody has asked. */
  derived?: true | undefined;
  /** Wall-clock time after which it may no longer be admitted, in milliseconds since 1970. */
  expiresAtMs: number;
  /** Set if it was enqueued: nobody waits for an answer, so refusals are recorded as well. */
  enqueued?: { invalid: ReplyError | undefined } | undefined;
}

/** What is known about a request besides its message; it changes while the request is served. */
export interface RequestProgress {
  /** Whether it waited before it was served, so that another replica may have answered it. */
  readonly remembered: boolean;
  /** Whether another replica has answered it, so that nobody waits for what is done for it now. */
  readonly answeredElsewhere: boolean;
  /**
   * What was read of the instance just before its lease was acquired, once. Others may have written
   * since: the log refuses what does not follow from that, as it does for a log that is kept.
   */
  takeSnapshot(): Snapshot | undefined;
}

/** The request that is being worked on, or is next. Other requests look at it while they wait. */
export class ActiveRequest {
  readonly request: AdvanceRequest;
  readonly progress: RequestProgress;
  /** When it became active, by the wall clock, in milliseconds since 1970. */
  readonly sinceMs: number;
  readonly #answer: (receipt: Receipt) => void;
  #earlyReceipt: Receipt | undefined;
  #log: 'unread' | InstanceLog | undefined = 'unread';
  #waiters: ((log: InstanceLog | undefined) => void)[] | undefined;

  /** @param answer called with a receipt that is given before the request's work ends */
  constructor(
    request: AdvanceRequest,
    progress: RequestProgress,
    sinceMs: number,
    answer: (receipt: Receipt) => void,
  ) {
    this.request = request;
    this.progress = progress;
    this.sinceMs = sinceMs;
    this.#answer = answer;
  }

  /** The receipt that was given while the work goes on. */
  get earlyReceipt(): Receipt | undefined {
    return this.#earlyReceipt;
  }

  /**
   * Answers before the work ends. From then on it may begin nothing: the agent was told that
   * nothing was run.
   */
  answerEarly(receipt: Receipt): void {
    this.#earlyReceipt = receipt;
    this.#answer(receipt);
  }

  /** The log as it was first read for this request; undefined if it ended without reading it. */
  firstRead(): Promise<InstanceLog | undefined> {
    const log = this.#log;
    if (log !== 'unread') return Promise.resolve(log);
    return new Promise((resolve) => (this.#waiters ??= []).push(resolve));
  }

  /** The log has been read, or will not be. Only the first call counts. */
  hasRead(log: InstanceLog | undefined): void {
    if (this.#log !== 'unread') return;
    this.#log = log;
    if (this.#waiters !== undefined) for (const resolve of this.#waiters) resolve(log);
  }
}
