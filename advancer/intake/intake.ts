import type { z } from 'zod';

import type { Bus, BusMessage, BusSubscription } from '../../src/bus/bus.ts';
import { directRest, QUEUE_GROUP, subjectRest, type Subjects } from '../../src/bus/subjects.ts';
import type { Clock } from '../../src/time/clock.ts';
import type { Json } from '../../src/json.ts';
import type { Logger } from '../../src/logger.ts';
import {
  AdvanceMessage,
  CancelMessage,
  ClaimMessage,
  DecideMessage,
  RunbookGetMessage,
  StartMessage,
  StatusMessage,
  type Read,
} from '../../src/request/messages.ts';
import { RowsMessage } from '../../src/request/rows.ts';
import type { EnqueuedOperations } from '../queue/enqueued-operations.ts';
import type { Counted } from '../run/context.ts';
import { openSchedules } from '../schedules/schedule-intake.ts';
import type { ScheduleQueries } from '../schedules/schedule-queries.ts';
import type { Operation, ForwardedBroadcast } from './pending-request.ts';
import type { AgentIdPolicy } from './agent-account.ts';
import type { ClusterView } from './cluster-view.ts';
import { fitReply } from './fit-reply.ts';
import type { Queries } from './queries.ts';
import {
  advanceOperation,
  cancelOperation,
  decideOperation,
  errorReply,
  expiryProblem,
} from './operations.ts';
import { PeerNotes, type PeerNotesOptions } from './peer-notes.ts';
import { isLarge, type Query, type QueryTurns } from './query-turns.ts';
import { invalidReceipt, readRequest } from './read-request.ts';
import type { RowsQuery } from './rows-query.ts';
import { UnreadBroadcast } from './unread-broadcast.ts';
import type { StallDetector } from './stall-detector.ts';
import type { Router } from './router.ts';

/** Far above the size of a message that carries nothing of the sender's, such as an advance. */
const MAX_SMALL_BYTES = 8 * 1024;
/** A cursor over all instances names the transactions that were open, which may be many. */
const MAX_ROWS_BYTES = 40 * 1024;

/** What the intake needs from the rest of the replica. */
export interface IntakeOptions extends Omit<PeerNotesOptions, 'arrivedAtMs'> {
  bus: Bus;
  subjects: Subjects;
  view: ClusterView;
  router: Router;
  /** Reads enqueued requests that other replicas forward. */
  enqueued: Pick<EnqueuedOperations, 'forwarded'>;
  queries: Queries;
  rows: RowsQuery;
  queryTurns: QueryTurns;
  schedules: ScheduleQueries;
  stallDetector: StallDetector;
  replicaId: string;
  agentIds: AgentIdPolicy;
  clock: Clock;
  logger: Logger;
  count: (event: Counted) => void;
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
    const { bus, subjects, queries, rows, queryTurns, replicaId } = this.#options;
    const queue = { queue: QUEUE_GROUP };
    const start: Query<StartMessage> = {
      verb: 'start',
      schema: StartMessage,
      answer: (body) => queries.start(body),
    };
    const runbook: Query<RunbookGetMessage> = {
      verb: 'runbook.get',
      schema: RunbookGetMessage,
      maxBytes: MAX_SMALL_BYTES,
      answer: (body) => queries.runbook(body),
    };
    const status: Query<StatusMessage> = {
      verb: 'status',
      schema: StatusMessage,
      maxBytes: MAX_SMALL_BYTES,
      answer: (body, id) => queries.status(id, body),
    };
    const claim: Query<ClaimMessage> = {
      verb: 'claim',
      schema: ClaimMessage,
      answer: (body, id) => queries.claim(id, body),
    };
    const rowPages: Query<RowsMessage> = {
      verb: 'rows',
      schema: RowsMessage,
      maxBytes: MAX_ROWS_BYTES,
      turnOf: ({ instanceId }) => instanceId,
      answer: (body) => rows.answer(body),
    };
    // Stays open until the connection closes, so that an agent that still takes this replica for a
    // holder gets an answer at once.
    bus.subscribe(subjects.allAdvancesAt(replicaId), (m) => this.#directAdvance(m));
    this.#subscriptions = [
      bus.subscribe(subjects.start, (m) => queryTurns.take(m, 'start', start), queue),
      bus.subscribe(subjects.runbookGet, (m) => queryTurns.take(m, 'runbook', runbook), queue),
      bus.subscribe(subjects.rows, (m) => queryTurns.take(m, 'rows', rowPages), queue),
      bus.subscribe(subjects.all('status'), (m) => queryTurns.take(m, idOf(m), status), queue),
      bus.subscribe(subjects.all('claim'), (m) => queryTurns.take(m, idOf(m), claim), queue),
      bus.subscribe(subjects.all('advance'), (m) => this.#advance(m)),
      bus.subscribe(subjects.all('decide'), (m) => this.#inTurn(m, () => this.#decide(m))),
      bus.subscribe(subjects.all('cancel'), (m) => this.#inTurn(m, () => this.#cancel(m))),
      ...openSchedules(this.#options),
      ...this.#peerNotes.open(),
    ];
  }

  /** Unsubscribes from everything that other replicas receive too; what was taken in goes on. */
  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#subscriptions = [];
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
    if (verb === 'enqueue') return this.#enqueued(instanceId, body, forwarded);
    if (verb === 'decide') return this.#decide(forwarded, instanceId);
    if (verb === 'cancel') return this.#cancel(forwarded, instanceId);
    const operation = this.#readAdvance(forwarded, instanceId, this.#arrivedAtMs());
    if (operation !== undefined)
      this.#options.router.take(operation, this.#replyTo(forwarded), true);
  }

  /** Another replica has found that this one has to serve what was enqueued. */
  #enqueued(instanceId: string, body: string, message: BusMessage): void {
    const { enqueued, router } = this.#options;
    const operation = enqueued.forwarded(instanceId, body, this.#arrivedAtMs());
    if (operation !== undefined) router.take(operation, this.#replyTo(message), true);
  }

  #advance(message: BusMessage): void {
    const instanceId = subjectRest(message.subject);
    const arrivedAtMs = this.#arrivedAtMs();
    const parse = (): Operation | undefined => this.#readAdvance(message, instanceId, arrivedAtMs);
    const { byteLength: bytes } = message.data;
    const reply = this.#replyTo(message);
    this.#options.router.receive(new UnreadBroadcast({ instanceId, bytes, parse, reply }));
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
    const { count, clock } = this.#options;
    const read = this.#readRequest(instanceId, AdvanceMessage, message, MAX_SMALL_BYTES);
    const error = read.ok ? expiryProblem(read.value, clock.wallMs()) : read.error;
    if (read.ok && error === undefined)
      return advanceOperation(instanceId, read.value, arrivedAtMs, count);
    const reply = invalidReceipt(instanceId, message.data, error, MAX_SMALL_BYTES);
    this.#malformed(message, 'advance', instanceId, reply, direct);
    return undefined;
  }

  /** A decision may have a large output: then it waits for its turn. */
  #inTurn(message: BusMessage, read: () => void): void {
    const { queryTurns, view } = this.#options;
    const refuse = (reply: Json): void => {
      if (view.isFirst(idOf(message))) message.reply(reply);
    };
    if (isLarge(message)) queryTurns.takeLarge(message, read, refuse);
    else read();
  }

  #decide(message: BusMessage, instanceId = subjectRest(message.subject)): void {
    this.#take(message, 'decide', instanceId, DecideMessage, decideOperation);
  }

  #cancel(message: BusMessage, instanceId = subjectRest(message.subject)): void {
    this.#take(message, 'cancel', instanceId, CancelMessage, cancelOperation);
  }

  /** Takes a broadcast that is kept as it was sent. */
  #take<T>(
    message: BusMessage,
    verb: string,
    instanceId: string,
    schema: z.ZodType<T>,
    operationOf: (instanceId: string, read: T, body: Uint8Array, arrivedAtMs: number) => Operation,
  ): void {
    const read = this.#readRequest(instanceId, schema, message);
    if (!read.ok) {
      this.#malformed(message, verb, instanceId, errorReply(read.error));
      return;
    }
    const operation = operationOf(instanceId, read.value, message.data, this.#arrivedAtMs());
    this.#options.router.take(operation, this.#replyTo(message));
  }

  #readRequest<T>(
    id: string,
    schema: z.ZodType<T>,
    message: BusMessage,
    maxBytes?: number,
  ): Read<T> {
    return readRequest(id, schema, message, this.#options.agentIds, maxBytes);
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

function idOf(message: BusMessage): string {
  return subjectRest(message.subject);
}
