import type { z } from 'zod';

import type { Bus, BusMessage, BusSubscription } from '../../src/bus/bus.ts';
import { directRest, QUEUE_GROUP, subjectRest, type Subjects } from '../../src/bus/subjects.ts';
import type { Clock } from '../../src/time/clock.ts';
import type { Json } from '../../src/json.ts';
import type { Logger } from '../../src/logger.ts';
import {
  AdvanceMessage,
  ClaimMessage,
  DecideMessage,
  StartMessage,
  StatusMessage,
  type Read,
} from '../../src/request/messages.ts';
import { LogUnavailable } from '../log/log.ts';
import type { Counted } from '../run/context.ts';
import type { Operation, ForwardedBroadcast } from './pending-request.ts';
import type { AgentIdPolicy } from './agent-account.ts';
import type { ClusterView } from './cluster-view.ts';
import { fitReply } from './fit-reply.ts';
import type { Queries } from './queries.ts';
import { logQuery } from './request-lines.ts';
import { advanceOperation, decideOperation, errorReply } from './operations.ts';
import { PeerNotes, type PeerNotesOptions } from './peer-notes.ts';
import { invalidReceipt, readRequest } from './read-request.ts';
import { UnreadBroadcast } from './unread-broadcast.ts';
import type { StallDetector } from './stall-detector.ts';
import type { Router } from './router.ts';

/** What the intake needs from the rest of the replica. */
export interface IntakeOptions extends Omit<PeerNotesOptions, 'arrivedAtMs'> {
  bus: Bus;
  subjects: Subjects;
  view: ClusterView;
  router: Router;
  queries: Queries;
  stallDetector: StallDetector;
  replicaId: string;
  agentIds: AgentIdPolicy;
  clock: Clock;
  logger: Logger;
  count: (event: Counted) => void;
  /** Postgres did not answer. */
  logTrouble: (cause: unknown) => void;
}

/**
 * Takes messages from the bus, checks them, and passes them on. Anybody may publish anything: a
 * malformed message gets a clear error, is counted, and disturbs nothing else.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #peerNotes: PeerNotes;
  #subscriptions: BusSubscription[] = [];

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#peerNotes = new PeerNotes({ ...options, arrivedAtMs: () => this.#arrivedAtMs() });
  }

  /** Subscribes. */
  open(): void {
    const { bus, subjects, queries, replicaId } = this.#options;
    const queue = { queue: QUEUE_GROUP };
    // Stays open until the connection closes, so that an agent that still takes this replica for a
    // holder gets an answer at once.
    bus.subscribe(subjects.allAdvancesAt(replicaId), (m) => this.#directAdvance(m));
    this.#subscriptions = [
      bus.subscribe(
        subjects.start,
        (m) => this.#query(m, 'start', 'start', StartMessage, (body) => queries.start(body)),
        queue,
      ),
      bus.subscribe(
        subjects.all('status'),
        (m) =>
          this.#query(m, 'status', subjectRest(m.subject), StatusMessage, (body, id) =>
            queries.status(id, body),
          ),
        queue,
      ),
      bus.subscribe(
        subjects.all('claim'),
        (m) =>
          this.#query(m, 'claim', subjectRest(m.subject), ClaimMessage, (body, id) =>
            queries.claim(id, body),
          ),
        queue,
      ),
      bus.subscribe(subjects.all('advance'), (m) => this.#advance(m)),
      bus.subscribe(subjects.all('decide'), (m) => this.#decide(m)),
      ...this.#peerNotes.open(),
    ];
  }

  /** Unsubscribes from everything that other replicas receive too; what was taken in goes on. */
  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#subscriptions = [];
  }

  /** A request that any replica may answer. */
  async #query<T>(
    message: BusMessage,
    verb: string,
    id: string,
    schema: z.ZodType<T>,
    answer: (body: T, id: string) => Promise<Json>,
  ): Promise<void> {
    const { count, logger, logTrouble, clock } = this.#options;
    const sinceMs = clock.monotonicMs();
    const answered = (reply: Json): void => {
      message.reply(reply);
      logQuery(logger, verb, id, reply, clock.monotonicMs() - sinceMs);
    };
    const read = this.#readRequest(id, schema, message);
    if (!read.ok) {
      count({ what: 'malformed', verb });
      answered(errorReply(read.error));
      return;
    }
    try {
      answered(await answer(read.value, id));
    } catch (cause) {
      const unavailable = cause instanceof LogUnavailable;
      if (unavailable) logTrouble(cause);
      else logger.error({ verb, id, err: cause }, 'internal error while answering a query');
      const why = unavailable
        ? 'Postgres does not answer'
        : "internal error (see the replica's log)";
      answered(errorReply({ code: 'unavailable', message: `${why}; ask again` }));
    }
  }

  /** Takes a broadcast that another replica forwards, as if it had arrived itself. */
  forwarded({ verb, instanceId, body }: ForwardedBroadcast, message: BusMessage): void {
    const forwarded: BusMessage = {
      subject: message.subject,
      data: new TextEncoder().encode(body),
      wantsReply: message.wantsReply,
      account: { kind: 'checked' },
      reply: (answer) => message.reply(answer),
    };
    if (verb === 'decide') {
      this.#decide(forwarded, instanceId);
      return;
    }
    const operation = this.#readAdvance(forwarded, instanceId, this.#arrivedAtMs());
    if (operation !== undefined)
      this.#options.router.take(operation, this.#replyTo(forwarded), true);
  }

  #advance(message: BusMessage): void {
    const instanceId = subjectRest(message.subject);
    const arrivedAtMs = this.#arrivedAtMs();
    const parse = (): Operation | undefined => this.#readAdvance(message, instanceId, arrivedAtMs);
    this.#options.router.receive(new UnreadBroadcast(instanceId, parse, this.#replyTo(message)));
  }

  #directAdvance(message: BusMessage): void {
    const instanceId = directRest(message.subject);
    const operation = this.#readAdvance(message, instanceId, this.#arrivedAtMs(), true);
    if (operation !== undefined) this.#options.router.takeDirect(operation, this.#replyTo(message));
  }

  #readAdvance(
    message: BusMessage,
    instanceId: string,
    arrivedAtMs: number,
    direct = false,
  ): Operation | undefined {
    const read = this.#readRequest(instanceId, AdvanceMessage, message);
    if (read.ok) return advanceOperation(instanceId, read.value, arrivedAtMs, this.#options.count);
    const reply = invalidReceipt(instanceId, message.data, read.error);
    this.#malformed(message, 'advance', instanceId, reply, direct);
    return undefined;
  }

  #decide(message: BusMessage, instanceId = subjectRest(message.subject)): void {
    const read = this.#readRequest(instanceId, DecideMessage, message);
    if (!read.ok) {
      this.#malformed(message, 'decide', instanceId, errorReply(read.error));
      return;
    }
    const operation = decideOperation(instanceId, read.value, message.data, this.#arrivedAtMs());
    this.#options.router.take(operation, this.#replyTo(message));
  }

  #readRequest<T>(id: string, schema: z.ZodType<T>, message: BusMessage): Read<T> {
    return readRequest(id, schema, message, this.#options.agentIds);
  }

  /**
   * Every replica sees a malformed broadcast; the first in rank answers it. A direct message has
   * only this replica to answer it.
   */
  #malformed(message: BusMessage, verb: string, id: string, reply: Json, direct = false): void {
    this.#options.count({ what: 'malformed', verb });
    if (direct || this.#options.view.isFirst(id)) message.reply(reply);
  }

  #replyTo(message: BusMessage): (body: Json) => void {
    return (body) => message.reply(fitReply(body, this.#options.bus.maxBytes()));
  }

  /** The earliest time at which the message may have arrived: the process may have been stalled. */
  #arrivedAtMs(): number {
    return this.#options.clock.wallMs() - this.#options.stallDetector.maxAgeMs();
  }
}
