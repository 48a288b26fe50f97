import type { Bus } from '../bus/bus.ts';
import type { BusOptions } from '../bus/nats.ts';
import { subjects, type Subjects } from '../bus/subjects.ts';
import { systemClock, type Clock } from '../time/clock.ts';
import type { Json } from '../json.ts';
import { HolderCache } from '../request/holder-cache.ts';
import {
  CancelMessage,
  ClaimMessage,
  DecideMessage,
  RunbookGetMessage,
  StartMessage,
  StatusMessage,
} from '../request/messages.ts';
import type { Runbook } from '../runbook/runbook.ts';
import type { Receipt } from '../request/receipt.ts';
import type {
  CancelReply,
  ClaimReply,
  DecideReply,
  InstanceEvent,
  StartReply,
  StatusReply,
} from '../request/status-reply.ts';
import { advanceInstance, type AgentMeans } from './advance-instance.ts';
import { checkId, checked } from './checked.ts';
import { connectedBus } from './connected-bus.ts';
import { enqueueRequest, type Enqueued } from './enqueue.ts';
import { eventQueue, listenToEvents } from './events.ts';
import type {
  AdvanceOptions,
  AgentOptions,
  CancelOptions,
  ClaimOptions,
  DecideOptions,
  EnqueueOptions,
  RunbookOptions,
  StartOptions,
  StatusOptions,
  WatchOptions,
} from './options.ts';
import { answers, answersRunbook, answersStatus, type Replies } from './replies.ts';
import { requestUntilAnswered } from './request.ts';
import { AgentSchedules } from './schedules.ts';
import { watchRows, type RowWatch } from './watch.ts';

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_CANCEL_TIMEOUT_MS = 35_000;

/**
 * The client: it requests advances, records claims, decides doubts and cancels for a program, an
 * LLM agent or a person's command line.
 *
 * Needs NATS and the namespace, nothing else. `advance` always returns a receipt. The other methods
 * return their result or throw a {@link LeaseholdError}, whose code is `unavailable` when no
 * replica answered.
 */
export class Agent {
  readonly agentId: string;
  /** What starts instances at set times. */
  readonly schedules: AgentSchedules;
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #clock: Clock;
  readonly #holders = new HolderCache();
  readonly #warn: NonNullable<BusOptions['onWarning']>;
  readonly #closed = new AbortController();

  /** For tests, and for callers that have a bus; otherwise use {@link Agent.connect}. */
  constructor(
    bus: Bus,
    options: Pick<AgentOptions, 'agentId' | 'namespace' | 'onWarning'>,
    clock: Clock = systemClock,
  ) {
    this.agentId = checkId(options.agentId, 'agentId');
    this.#bus = bus;
    this.#subjects = subjects(checkId(options.namespace ?? 'default', 'namespace'));
    this.#clock = clock;
    this.#warn = options.onWarning ?? (() => {});
    this.schedules = new AgentSchedules(this.agentId, this.#subjects, (r) => this.#request(r));
  }

  /**
   * Connects to NATS.
   *
   * @throws LeaseholdError `invalid` for a malformed id or namespace, `unavailable` when NATS
   *   cannot be reached
   */
  static async connect(options: AgentOptions): Promise<Agent> {
    checkId(options.agentId, 'agentId');
    checkId(options.namespace ?? 'default', 'namespace');
    return new Agent(await connectedBus(options), options);
  }

  /** Pins an instance to a runbook version; repeated with the same content: `created: false`. */
  async start(instanceId: string, options: StartOptions): Promise<StartReply> {
    const { runbookId, version, inputs = {}, unattended, timeoutMs } = options;
    const body = checked(StartMessage, {
      instanceId,
      runbookId,
      version,
      inputs,
      agentId: this.agentId,
      unattended,
    });
    return this.#request({
      name: 'start',
      subject: this.#subjects.start,
      body,
      accepts: answers({ instanceId, runbookId }),
      timeoutMs,
      retry: 'always',
    });
  }

  /** A stored runbook: the version that is given, or the newest. */
  async runbook(runbookId: string, options: RunbookOptions = {}): Promise<Runbook> {
    const { version, timeoutMs } = options;
    return this.#request({
      name: 'runbook',
      subject: this.#subjects.runbookGet,
      body: checked(RunbookGetMessage, { runbookId, version }),
      accepts: answersRunbook(runbookId, version),
      timeoutMs,
      retry: 'always',
    });
  }

  /** The current state of an instance. */
  async status(instanceId: string, options: StatusOptions = {}): Promise<StatusReply> {
    const { log, requestId, cellId, timeoutMs } = options;
    return this.#request({
      name: 'status',
      subject: this.#subjects.status(checkId(instanceId, 'instanceId')),
      body: checked(StatusMessage, { log, requestId, cellId }),
      accepts: answersStatus(instanceId, requestId),
      timeoutMs,
      retry: 'always',
    });
  }

  /** Records a claim's new status; the reply means that it is committed. */
  async claim(claimId: string, options: ClaimOptions): Promise<ClaimReply> {
    const { status, evidence, timeoutMs } = options;
    return this.#request({
      name: 'claim',
      subject: this.#subjects.claim(checkId(claimId, 'claimId')),
      body: checked(ClaimMessage, { status, agentId: this.agentId, evidence }),
      accepts: answers({ claimId }),
      timeoutMs,
      retry: 'undelivered',
    });
  }

  /**
   * Settles a doubt, or what becomes of a cell that halted its instance. It runs nothing; the next
   * advance does. The second of two decisions gets `conflict`.
   */
  async decide(instanceId: string, options: DecideOptions): Promise<DecideReply> {
    const { timeoutMs, ...decision } = options;
    return this.#request({
      name: 'decide',
      subject: this.#subjects.decide(checkId(instanceId, 'instanceId')),
      body: checked(DecideMessage, { agentId: this.agentId, ...decision }),
      accepts: answers({ instanceId }),
      timeoutMs,
      retry: 'undelivered',
    });
  }

  /** Cancels an instance; a running attempt is ended first. With `undo`, advances undo it. */
  async cancel(instanceId: string, options: CancelOptions): Promise<CancelReply> {
    const { timeoutMs = DEFAULT_CANCEL_TIMEOUT_MS, ...cancel } = options;
    return this.#request({
      name: 'cancel',
      subject: this.#subjects.cancel(checkId(instanceId, 'instanceId')),
      body: checked(CancelMessage, { agentId: this.agentId, ...cancel }),
      accepts: answers({ instanceId }),
      timeoutMs,
      retry: 'undelivered',
    });
  }

  /**
   * Moves the instance forward and always returns a receipt: a refusal, an invalid message and
   * silence (`unavailable`) are receipts too. See `advanceUntilAnswered` for how it handles lost
   * replies.
   *
   * Times are sent to the replicas by the wall clock: an agent whose clock is further behind than
   * `expiresInMs` gets `expired`.
   */
  advance(instanceId: string, options: AdvanceOptions = {}): Promise<Receipt> {
    const signal = this.#untilClosed(options.signal);
    return advanceInstance({ ...this.#means(signal), holders: this.#holders }, instanceId, options);
  }

  /**
   * Stores a request to advance the instance, and returns once it is stored: it is served then,
   * whatever becomes of this agent and of any replica. What it led to is the receipt that is
   * recorded under its request id; `status` and events have it. A missing acknowledgement
   * means unknown: the same request is sent again.
   */
  enqueue(instanceId: string, options: EnqueueOptions = {}): Promise<Enqueued> {
    return enqueueRequest(this.#means(this.#closed.signal), instanceId, options);
  }

  /**
   * The rows of one instance, or of all (`undefined`), as they are committed: in order, each once,
   * whatever is restarted meanwhile. By default it begins with what is committed from now on.
   *
   * @throws LeaseholdError `invalid` for an id or a position that is none
   */
  watch(instanceId?: string, options: WatchOptions = {}): RowWatch {
    const signal = this.#untilClosed(options.signal);
    return watchRows({ ...this.#listener(), instanceId, clock: this.#clock, ...options, signal });
  }

  /**
   * Calls back with each event of one instance, or of all (`undefined`), until the returned
   * function is called, `signal` aborts or the agent is closed. Events may be lost; those during an
   * outage are. {@link Agent.watch} misses no row.
   */
  onEvent(
    instanceId: string | undefined,
    listener: (event: InstanceEvent) => void,
    options: { signal?: AbortSignal | undefined } = {},
  ): () => void {
    return listenToEvents({ ...this.#listener(), instanceId, listener, ...options });
  }

  /** {@link Agent.onEvent} as an iterator, which drops the oldest of over 10,000 queued events. */
  events(
    instanceId?: string,
    options: { signal?: AbortSignal | undefined } = {},
  ): AsyncIterableIterator<InstanceEvent> {
    const until = this.#untilClosed(options.signal);
    return eventQueue((listener) => this.onEvent(instanceId, listener), until);
  }

  /** Whether there is a connection to NATS now. */
  connected(): boolean {
    return this.#bus.connected();
  }

  /**
   * Resolves when every request and watch so far has reached the server, or the connection broke.
   */
  flush(): Promise<void> {
    return this.#bus.flush();
  }

  /** Ends every wait and watch and disconnects. May be called twice. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#bus.close();
  }

  #listener() {
    return { bus: this.#bus, subjects: this.#subjects, warn: this.#warn };
  }

  #means(signal: AbortSignal): AgentMeans {
    const { agentId } = this;
    return { agentId, bus: this.#bus, subjects: this.#subjects, clock: this.#clock, signal };
  }

  #untilClosed(signal: AbortSignal | undefined): AbortSignal {
    const { signal: closed } = this.#closed;
    return signal === undefined ? closed : AbortSignal.any([closed, signal]);
  }

  #request<K extends Exclude<keyof Replies, 'receipt' | 'event'>>(request: {
    name: K;
    subject: string;
    body: object;
    accepts: (body: Json) => boolean;
    timeoutMs: number | undefined;
    retry: 'always' | 'undelivered';
  }) {
    return requestUntilAnswered({
      ...request,
      bus: this.#bus,
      clock: this.#clock,
      body: request.body as Json,
      timeoutMs: request.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      signal: this.#closed.signal,
    });
  }
}
