import type { Bus, BusMessage, BusSubscription } from '../../src/bus/bus.ts';
import type { Backlog, RequestStream, StoredMessage } from '../../src/bus/request-stream.ts';
import { subjectRest, type Subjects } from '../../src/bus/subjects.ts';
import { errorText } from '../../src/error-text.ts';
import type { Logger } from '../../src/logger.ts';
import { TroubleLog } from '../../src/trouble-log.ts';
import { errorReply } from '../intake/operations.ts';
import type { Router } from '../intake/router.ts';
import { readEnqueued } from './read-enqueued.ts';
import { StoredSettler, type Settled, type StoredSettlerOptions } from './settle-stored.ts';

/** At most this many messages are in the hands of one replica; the others wait in the stream. */
const MAX_IN_HAND = 64;
/** As long as there are fewer places than this, none is asked for: one by one would be slow. */
const FEW_PLACES = 16;
/** A replica that dies is noticed at the latest when its pull is over. */
const PULL_MS = 5_000;
/** Less than a third of the time that the stream gives a silent replica. */
const WORKING_MS = 1_500;
/** How often the stream's configuration is looked at, and how soon after it could not be used. */
const LOOK_MS = 30_000;
const RETRY_MS = 1_000;
const MAX_RETRY_MS = 10_000;
const BACKLOG_MS = 5_000;
/** How long a message waits that cannot be put where people see it. */
const POISON_RETRY_MS = 30_000;

/** What {@link RequestQueue} needs from the rest of the replica. */
export interface RequestQueueOptions extends StoredSettlerOptions {
  stream: RequestStream;
  bus: Bus;
  subjects: Subjects;
  router: Pick<Router, 'takeStored' | 'serves'>;
  /** Whether this replica ranks first for an id among those that can act. */
  isFirst: (id: string) => boolean;
  logger: Logger;
}

/**
 * Serves what agents enqueue. Every replica sees an enqueued request on the bus, and the one that
 * has to serve it does so at once. The stream keeps the request meanwhile, and gives it to some
 * replica until its receipt is in the log: so it is served although nobody saw it, or the replica
 * that served it died.
 */
export class RequestQueue {
  readonly #options: RequestQueueOptions;
  readonly #settler: StoredSettler;
  readonly #trouble: TroubleLog;
  readonly #poisonTrouble: TroubleLog;
  readonly #stop = new AbortController();
  #subscription: BusSubscription | undefined;
  readonly #inHand = new Set<StoredMessage>();
  #freed: () => void = () => undefined;
  #problems = '';
  #unusable: string | undefined;
  #backlog: Backlog | undefined;

  constructor(options: RequestQueueOptions) {
    const { clock, logger } = options;
    this.#options = options;
    this.#settler = new StoredSettler(options);
    this.#trouble = new TroubleLog({
      clock,
      logger,
      happens: 'enqueued requests cannot be read',
      over: 'enqueued requests can be read',
    });
    this.#poisonTrouble = new TroubleLog({
      clock,
      logger,
      happens: 'a request that cannot be served stays in the stream',
      level: 'error',
    });
  }

  /** Starts to serve. What is wrong with the stream is logged, and is looked at again. */
  open(): void {
    const { bus, subjects } = this.#options;
    this.#subscription = bus.subscribe(subjects.allEnqueued, (message) => this.#react(message));
    void this.#serve();
    void this.#keep();
    void this.#watchBacklog();
  }

  /** Takes nothing more; what is being served goes on, and the stream gives it to others too. */
  close(): void {
    this.#subscription?.unsubscribe();
    this.#stop.abort();
    this.#options.stream.close();
    for (const message of this.#inHand) message.retryIn(0);
    this.#freed();
  }

  /** What waits, as last seen; undefined if the stream cannot be asked. */
  get backlog(): Backlog | undefined {
    return this.#backlog;
  }

  /** Why requests cannot be enqueued, as last seen. */
  get unusable(): string | undefined {
    return this.#unusable;
  }

  /**
   * Reacts to a request as it is enqueued. Nothing is lost if it is not served now; that the stream
   * cannot be used its sender learns from the replica that ranks first.
   */
  #react(message: BusMessage): void {
    const { router, operations, agentIds, clock, isFirst } = this.#options;
    const instanceId = subjectRest(message.subject);
    if (this.#unusable !== undefined) {
      if (message.wantsReply && isFirst(instanceId))
        message.reply(errorReply({ code: 'unavailable', message: this.#unusable }));
      return;
    }
    if (!router.serves(instanceId)) return;
    const read = readEnqueued(message, agentIds);
    if (read.kind === 'request' && read.request.invalid === undefined)
      void router.takeStored(operations.of(read.request, clock.wallMs()), false);
  }

  async #serve(): Promise<void> {
    const { stream, clock, bus } = this.#options;
    let lookMs = Number.NEGATIVE_INFINITY;
    let retryMs = RETRY_MS;
    while (!this.#stop.signal.aborted) {
      if (clock.monotonicMs() >= lookMs) {
        const usable = await this.#look();
        if (!usable) {
          await clock.sleep(retryMs, this.#stop.signal);
          retryMs = bus.connected() ? Math.min(MAX_RETRY_MS, 2 * retryMs) : RETRY_MS;
          continue;
        }
        retryMs = RETRY_MS;
        lookMs = clock.monotonicMs() + LOOK_MS;
      }
      const places = await this.#places();
      if (this.#stop.signal.aborted) return;
      const asked = await stream.pull(places, PULL_MS, (message) => void this.#take(message));
      if (asked) continue;
      lookMs = Number.NEGATIVE_INFINITY;
      await clock.sleep(RETRY_MS, this.#stop.signal);
    }
  }

  /** Looks at the stream. Whether it can be used. */
  async #look(): Promise<boolean> {
    const { stream, bus, logger } = this.#options;
    const state = await stream.prepare();
    if (state.kind === 'unusable') {
      this.#unusable = state.why;
      // That the connection is lost is logged already.
      if (bus.connected() && !this.#stop.signal.aborted) this.#trouble.add(state.why);
      return false;
    }
    this.#unusable = undefined;
    this.#trouble.end();
    const problems = state.problems.join('; ');
    if (problems !== '' && problems !== this.#problems)
      logger.warn({ problems: state.problems }, 'a stream is not as the settings have it');
    this.#problems = problems;
    return true;
  }

  /** Waits until there is room for some messages. */
  async #places(): Promise<number> {
    while (MAX_IN_HAND - this.#inHand.size < FEW_PLACES && !this.#stop.signal.aborted)
      await new Promise<void>((resolve) => (this.#freed = resolve));
    return Math.max(1, MAX_IN_HAND - this.#inHand.size);
  }

  /** One message, from its delivery to its end. */
  async #take(message: StoredMessage): Promise<void> {
    const { logger } = this.#options;
    if (this.#stop.signal.aborted) {
      message.retryIn(0);
      return;
    }
    this.#inHand.add(message);
    try {
      const settled = await this.#settler.settle(message);
      // Once this replica ends, others have been given what is not settled.
      if (settled.do === 'ack' || !this.#stop.signal.aborted) await this.#end(message, settled);
    } catch (cause) {
      // It is delivered again.
      logger.error({ err: cause, seq: message.seq }, 'internal error with an enqueued request');
    } finally {
      this.#inHand.delete(message);
      this.#freed();
    }
  }

  /** Says of what is in hand that it is being worked on. */
  async #keep(): Promise<void> {
    for (;;) {
      await this.#options.clock.sleep(WORKING_MS, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      for (const message of this.#inHand) message.working();
    }
  }

  async #end(message: StoredMessage, settled: Settled): Promise<void> {
    switch (settled.do) {
      case 'ack':
        message.ack();
        return;
      case 'retry':
        message.retryIn(settled.afterMs);
        return;
      case 'poison': {
        const { stream, count, errors } = this.#options;
        const why = await stream.poison(message, settled.reason);
        if (why === undefined) {
          count({ what: 'poison' });
          if (settled.key !== undefined) errors.forget(settled.key);
          this.#poisonTrouble.end();
          message.ack();
        } else {
          this.#poisonTrouble.add(why, { seq: message.seq, reason: settled.reason });
          message.retryIn(POISON_RETRY_MS);
        }
      }
    }
  }

  async #watchBacklog(): Promise<void> {
    const { stream, clock, logger } = this.#options;
    while (!this.#stop.signal.aborted) {
      try {
        this.#backlog = await stream.backlog();
      } catch (cause) {
        logger.error({ err: cause }, `could not read the backlog (${errorText(cause)})`);
      }
      await clock.sleep(BACKLOG_MS, this.#stop.signal);
    }
  }
}
