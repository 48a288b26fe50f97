import { randomUUID } from 'node:crypto';

import type { z } from 'zod';

import type { Bus } from '../bus/bus.ts';
import { connectBus } from '../bus/nats.ts';
import type { BusOptions } from '../bus/nats.ts';
import { subjects } from '../bus/subjects.ts';
import type { Subjects } from '../bus/subjects.ts';
import { systemClock } from '../time/clock.ts';
import type { Clock } from '../time/clock.ts';
import { errorText } from '../error-text.ts';
import type { Verdict } from '../execution/row.ts';
import { Id } from '../ids.ts';
import type { Json, JsonObject } from '../json.ts';
import { HolderCache } from '../request/holder-cache.ts';
import {
  AdvanceMessage,
  ClaimMessage,
  DecideMessage,
  StartMessage,
  StatusMessage,
  readMessage,
} from '../request/messages.ts';
import type { ReplyError } from '../request/messages.ts';
import type { Receipt } from '../request/receipt.ts';
import type {
  ClaimReply,
  DecideReply,
  InstanceEvent,
  StartReply,
  StatusReply,
} from '../request/status-reply.ts';
import { askForAdvance, refusal } from './advance.ts';
import { requestUntilAnswered } from './ask.ts';
import { LeaseholdError } from './error.ts';
import { eventQueue } from './events.ts';
import { readReply } from './replies.ts';

/** How to connect an agent. */
export interface AgentOptions {
  /** Who asks; recorded with everything that this agent causes. */
  agentId: string;
  /** Default: `nats://127.0.0.1:4222`. */
  servers?: string[] | undefined;
  /** Default: `default`. */
  namespace?: string | undefined;
  tls?: BusOptions['tls'];
  auth?: BusOptions['auth'];
  /** Goes on trying when NATS cannot be reached at first. */
  waitOnFirstConnect?: boolean | undefined;
  connectTimeoutMs?: number | undefined;
  /** Hears of lost connections and malformed events. */
  onWarning?: BusOptions['onWarning'];
}

/** What to start. */
export interface StartOptions {
  runbookId: string;
  /** Default: the newest version. */
  version?: number | undefined;
  inputs?: JsonObject | undefined;
  /** Default: 10 s. */
  timeoutMs?: number | undefined;
}

/** What to ask of an instance. */
export interface StatusOptions {
  /** Whether to bring the whole log. */
  log?: boolean | undefined;
  /** Brings the receipt recorded under this request id. */
  requestId?: string | undefined;
  /** Default: 10 s. */
  timeoutMs?: number | undefined;
}

/** How far to advance, and how long to wait for the answer. */
export interface AdvanceOptions {
  /** Default: a fresh UUID. The same id again runs nothing twice and brings the same receipt. */
  requestId?: string | undefined;
  /** The cell that is believed to be next; any other is refused as `out_of_order`. */
  cellId?: string | undefined;
  /** How many exec cells to run at most. */
  maxCells?: number | undefined;
  /** Queues behind a run that is under way, instead of being refused as `in_flight`. */
  wait?: boolean | undefined;
  /** Until when the request may begin, by the wall clock. Default: `expiresInMs` from now. */
  expiresAt?: string | Date | undefined;
  /** Default: 30 s. */
  expiresInMs?: number | undefined;
  /**
   * How long to wait for the receipt; the run itself may take longer, and goes on. Default: 5
   * minutes.
   */
  timeoutMs?: number | undefined;
  /** After so much silence, look for the recorded receipt. Default: 3 s. */
  pollMs?: number | undefined;
  /** After so much silence, send the same request again. Default: 10 s. */
  askAgainMs?: number | undefined;
  /** Stops the waiting, not the run. */
  signal?: AbortSignal | undefined;
}

/** A new status of a claim. */
export interface ClaimOptions {
  status: string;
  evidence?: Json | undefined;
  /** Default: 10 s. */
  timeoutMs?: number | undefined;
}

/** The answer to a doubt. */
export interface DecideOptions {
  cellId: string;
  /** The attempt that is answered; one that is not the one in doubt is a `conflict`. */
  attempt: number;
  as: Verdict;
  reason: string;
  /** The cell's output, with `as: 'succeeded'`. */
  output?: Json | undefined;
  /** Default: 10 s. */
  timeoutMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_EXPIRY_MS = 30_000;
const DEFAULT_ADVANCE_TIMEOUT_MS = 300_000;

/**
 * Whoever asks for advances and makes claims: a program, an LLM agent, a person's command line.
 *
 * Needs NATS and the namespace, nothing else. `advance` always brings a receipt; the other methods
 * bring their result or throw a {@link LeaseholdError}, whose code is `unavailable` when no replica
 * answered.
 */
export class Agent {
  readonly agentId: string;
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #clock: Clock;
  readonly #holders = new HolderCache();
  readonly #warn: NonNullable<BusOptions['onWarning']>;
  readonly #closed = new AbortController();

  /** For tests and for who has a bus already; otherwise use {@link Agent.connect}. */
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
  }

  /**
   * Connects to NATS.
   *
   * @throws LeaseholdError `invalid` for an id or namespace that is none, `unavailable` when NATS
   *   cannot be reached
   */
  static async connect(options: AgentOptions): Promise<Agent> {
    checkId(options.agentId, 'agentId');
    checkId(options.namespace ?? 'default', 'namespace');
    try {
      const bus = await connectBus({
        servers: options.servers ?? ['nats://127.0.0.1:4222'],
        name: `leasehold agent ${options.agentId}`,
        onWarning: options.onWarning,
        tls: options.tls,
        auth: options.auth,
        waitOnFirstConnect: options.waitOnFirstConnect,
        connectTimeoutMs: options.connectTimeoutMs,
      });
      return new Agent(bus, options);
    } catch (cause) {
      const message = errorText(cause);
      throw new LeaseholdError({ code: 'unavailable', message }, { cause });
    }
  }

  /** Pins an instance to a runbook's version; the same content again answers `created: false`. */
  async start(instanceId: string, options: StartOptions): Promise<StartReply> {
    const { runbookId, version, inputs = {}, timeoutMs } = options;
    const body = checked(StartMessage, {
      instanceId,
      runbookId,
      version,
      inputs,
      agentId: this.agentId,
    });
    return this.#ask('start', this.#subjects.start, body, timeoutMs, 'always');
  }

  /** Where the instance stands. */
  async status(instanceId: string, options: StatusOptions = {}): Promise<StatusReply> {
    const { log, requestId, timeoutMs } = options;
    const subject = this.#subjects.status(checkId(instanceId, 'instanceId'));
    return this.#ask(
      'status',
      subject,
      checked(StatusMessage, { log, requestId }),
      timeoutMs,
      'always',
    );
  }

  /** Records a claim's new status; what it answers is committed. */
  async claim(claimId: string, options: ClaimOptions): Promise<ClaimReply> {
    const { status, evidence, timeoutMs } = options;
    const subject = this.#subjects.claim(checkId(claimId, 'claimId'));
    const body = checked(ClaimMessage, { status, agentId: this.agentId, evidence });
    return this.#ask('claim', subject, body, timeoutMs, 'unheard');
  }

  /**
   * Settles a doubt; moves nothing, the next advance does. Whoever comes second gets `conflict`.
   */
  async decide(instanceId: string, options: DecideOptions): Promise<DecideReply> {
    const { timeoutMs, ...decision } = options;
    const subject = this.#subjects.decide(checkId(instanceId, 'instanceId'));
    const body = checked(DecideMessage, { agentId: this.agentId, ...decision });
    return this.#ask('decide', subject, body, timeoutMs, 'unheard');
  }

  /**
   * Moves the instance forward and brings the receipt, whatever happens: a refusal, a message that
   * is not valid and a silence (`unavailable`) are receipts too. See {@link askForAdvance} for what
   * it does about lost answers.
   *
   * Times are told to the replicas by the wall clock: an agent whose clock is further behind than
   * `expiresInMs` gets `expired`.
   */
  async advance(instanceId: string, options: AdvanceOptions = {}): Promise<Receipt> {
    const { requestId = randomUUID(), cellId, maxCells, wait } = options;
    try {
      const expiresAt = expiryOf(options, this.#clock.wallMs());
      checkId(instanceId, 'instanceId');
      const body = { requestId, agentId: this.agentId, cellId, maxCells, wait, expiresAt };
      const signals = [
        this.#closed.signal,
        ...(options.signal === undefined ? [] : [options.signal]),
      ];
      return await askForAdvance({
        bus: this.#bus,
        subjects: this.#subjects,
        clock: this.#clock,
        holders: this.#holders,
        instanceId,
        message: { ...checked(AdvanceMessage, body), expiresAt },
        timeoutMs: options.timeoutMs ?? DEFAULT_ADVANCE_TIMEOUT_MS,
        pollMs: options.pollMs ?? 3_000,
        askAgainMs: options.askAgainMs ?? 10_000,
        signal: AbortSignal.any(signals),
      });
    } catch (cause) {
      if (!(cause instanceof LeaseholdError)) throw cause;
      return refusal(requestId, instanceId, 'invalid', cause.toJSON().error);
    }
  }

  /**
   * Calls back with each commit to one instance, or to all (`undefined`), until the returned
   * function is called, `signal` aborts or the agent is closed. Events of an outage are missed:
   * `status` has the truth.
   */
  watch(
    instanceId: string | undefined,
    listener: (event: InstanceEvent) => void,
    options: { signal?: AbortSignal | undefined } = {},
  ): () => void {
    const subject =
      instanceId === undefined
        ? this.#subjects.all('event')
        : this.#subjects.event(checkId(instanceId, 'instanceId'));
    const subscription = this.#bus.subscribe(subject, (message) => {
      const read = readMessageBody(message.data);
      if (read.kind === 'result') listener(read.value);
      else this.#warn(`an event on ${message.subject} was left out: ${read.why}`);
    });
    const stop = (): void => {
      options.signal?.removeEventListener('abort', stop);
      subscription.unsubscribe();
    };
    options.signal?.addEventListener('abort', stop, { once: true });
    if (options.signal?.aborted === true) stop();
    return stop;
  }

  /**
   * As {@link Agent.watch}, to iterate over; a consumer that falls 10,000 events behind misses the
   * oldest.
   */
  events(
    instanceId?: string,
    options: { signal?: AbortSignal | undefined } = {},
  ): AsyncIterableIterator<InstanceEvent> {
    const signals = [
      this.#closed.signal,
      ...(options.signal === undefined ? [] : [options.signal]),
    ];
    return eventQueue((listener) => this.watch(instanceId, listener), AbortSignal.any(signals));
  }

  /** Whether there is a connection to NATS at this moment. */
  connected(): boolean {
    return this.#bus.connected();
  }

  /**
   * Resolves when what was asked so far, a watch too, has reached the server (or the connection
   * broke).
   */
  flush(): Promise<void> {
    return this.#bus.flush();
  }

  /** Ends every wait and watch and disconnects. Tolerates being called twice. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#bus.close();
  }

  #ask<K extends 'start' | 'status' | 'claim' | 'decide'>(
    name: K,
    subject: string,
    body: object,
    timeoutMs: number | undefined,
    again: 'always' | 'unheard',
  ) {
    return requestUntilAnswered({
      bus: this.#bus,
      clock: this.#clock,
      name,
      subject,
      body: body as Json,
      timeoutMs: timeoutMs ?? DEFAULT_TIMEOUT_MS,
      again,
      signal: this.#closed.signal,
    });
  }
}

function expiryOf(options: AdvanceOptions, nowMs: number): string {
  const { expiresAt, expiresInMs } = options;
  if (expiresAt !== undefined && expiresInMs !== undefined) {
    throw invalid('expiresInMs', 'cannot be used beside expiresAt; keep one');
  }
  if (typeof expiresAt === 'string') return expiresAt;
  const at = expiresAt ?? new Date(nowMs + (expiresInMs ?? DEFAULT_EXPIRY_MS));
  if (Number.isNaN(at.getTime())) throw invalid('expiresAt', 'must be a time');
  return at.toISOString();
}

/** The body as it will be sent, by the same rules by which a replica will read it. */
function checked<T extends object>(schema: z.ZodType<T>, body: object): T {
  const read = readMessage(schema, new TextEncoder().encode(JSON.stringify(body)));
  if (!read.ok) throw new LeaseholdError(read.error);
  return read.value;
}

function checkId(id: string, field: string): string {
  if (Id.safeParse(id).success) return id;
  throw invalid(field, 'must be 1 to 128 characters of A-Z a-z 0-9 _ -');
}

function invalid(field: string, message: string): LeaseholdError {
  const error: ReplyError = { code: 'invalid', message: `${field}: ${message}`, field };
  return new LeaseholdError(error);
}

function readMessageBody(data: Uint8Array) {
  try {
    const read = readReply(
      'event',
      JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data)) as Json,
    );
    return read.kind === 'error' ? ({ kind: 'malformed', why: 'it is an error' } as const) : read;
  } catch (cause) {
    return { kind: 'malformed', why: `it is not JSON (${String(cause)})` } as const;
  }
}
