import { z } from 'zod';

import type { Bus, BusMessage, BusSubscription } from '../../src/bus/bus.ts';
import { directRest, QUEUE_GROUP, subjectRest, type Subjects } from '../../src/bus/subjects.ts';
import type { Logger } from '../../src/logger.ts';
import type { Clock } from '../../src/time/clock.ts';
import { Id, isId } from '../../src/ids.ts';
import type { Json } from '../../src/json.ts';
import {
  AdvanceMessage,
  ClaimMessage,
  DecideMessage,
  StartMessage,
  StatusMessage,
  type Read,
  type ReplyError,
} from '../../src/request/messages.ts';
import { LogUnavailable } from '../log/log.ts';
import type { Counted } from '../run/context.ts';
import type { Operation, Forward } from './pending-request.ts';
import { readBody } from './body.ts';
import type { Queries } from './queries.ts';
import {
  advanceOperation,
  asJson,
  decideOperation,
  errorReply,
  settleOperation,
} from './operations.ts';
import { UnreadBroadcast } from './unread-broadcast.ts';
import type { StallDetector } from './stall-detector.ts';
import type { Router } from './router.ts';

const AnsweredNote = z.object({ keys: z.array(z.string()), by: z.string() });
const LeavingNote = z.object({ replicaId: Id, busy: z.array(Id) });
const SettleNote = z.object({});

/** What the intake needs of the rest of the replica. */
export interface IntakeParts {
  bus: Bus;
  subjects: Subjects;
  router: Router;
  desk: Queries;
  pulse: StallDetector;
  replicaId: string;
  clock: Clock;
  logger: Logger;
  count: (event: Counted) => void;
  /** Notes that another replica is there, and whether it has answered what came here too. */
  heard: (replicaId: string, serves: boolean) => void;
  logTrouble: (cause: unknown) => void;
}

/**
 * Takes messages from the bus, checks them, and hands them on. Anybody may publish anything: a
 * malformed message gets a clear error, is counted, and disturbs nothing else.
 */
export class Intake {
  readonly #parts: IntakeParts;
  #subscriptions: BusSubscription[] = [];

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /** Starts listening. */
  open(): void {
    const { bus, subjects, desk, replicaId } = this.#parts;
    const queue = { queue: QUEUE_GROUP };
    // Until the connection is closed: whoever still takes this one for a holder is told at once
    // that it is none any more.
    bus.subscribe(subjects.allAdvancesAt(replicaId), (m) => this.#directAdvance(m));
    this.#subscriptions = [
      bus.subscribe(
        subjects.start,
        (m) => this.#any(m, 'start', 'start', StartMessage, (body) => desk.start(body)),
        queue,
      ),
      bus.subscribe(
        subjects.all('status'),
        (m) =>
          this.#any(m, 'status', subjectRest(m.subject), StatusMessage, (body, id) =>
            desk.status(id, body),
          ),
        queue,
      ),
      bus.subscribe(
        subjects.all('claim'),
        (m) =>
          this.#any(m, 'claim', subjectRest(m.subject), ClaimMessage, (body, id) =>
            desk.claim(id, body),
          ),
        queue,
      ),
      bus.subscribe(subjects.all('advance'), (m) => this.#advance(m)),
      bus.subscribe(subjects.all('decide'), (m) => this.#decide(m)),
      bus.subscribe(subjects.all('settle'), (m) => this.#settle(m)),
      bus.subscribe(subjects.answered, (m) => this.#answered(m)),
      bus.subscribe(subjects.leaving, (m) => this.#leaving(m)),
    ];
  }

  /** Stops listening to what others see as well; what was taken in goes on. */
  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#subscriptions = [];
  }

  /** A request that any one replica answers. */
  async #any<T>(
    message: BusMessage,
    verb: string,
    id: string,
    schema: z.ZodType<T>,
    answer: (body: T, id: string) => Promise<Json>,
  ): Promise<void> {
    const read = readRequest(id, schema, message.data);
    if (!read.ok) {
      this.#parts.count({ what: 'malformed', verb });
      message.reply(errorReply(read.error));
      return;
    }
    try {
      message.reply(await answer(read.value, id));
    } catch (cause) {
      if (cause instanceof LogUnavailable) this.#parts.logTrouble(cause);
      else this.#parts.logger.error({ verb, id, err: cause }, 'a request broke off');
      const why =
        cause instanceof LogUnavailable ? 'Postgres does not answer' : 'the replica failed inside';
      message.reply(errorReply({ code: 'unavailable', message: `${why}; ask again` }));
    }
  }

  /** Takes up a broadcast that another replica sends on, as if it had come by itself. */
  forwarded({ verb, instanceId, body }: Forward, message: BusMessage): void {
    const sentOn: BusMessage = {
      subject: message.subject,
      data: new TextEncoder().encode(body),
      wantsReply: message.wantsReply,
      reply: (answer) => message.reply(answer),
    };
    if (verb === 'decide') {
      this.#decide(sentOn, instanceId);
      return;
    }
    const errand = this.#readAdvance(sentOn, instanceId, this.#arrivedAtMs());
    if (errand !== undefined) this.#parts.router.take(errand, replyTo(sentOn), true);
  }

  #advance(message: BusMessage): void {
    const instanceId = subjectRest(message.subject);
    const arrivedAtMs = this.#arrivedAtMs();
    const read = (): Operation | undefined => this.#readAdvance(message, instanceId, arrivedAtMs);
    this.#parts.router.receive(new UnreadBroadcast(instanceId, read, replyTo(message)));
  }

  #directAdvance(message: BusMessage): void {
    const errand = this.#readAdvance(
      message,
      directRest(message.subject),
      this.#arrivedAtMs(),
      true,
    );
    if (errand !== undefined) this.#parts.router.takeDirect(errand, replyTo(message));
  }

  #readAdvance(
    message: BusMessage,
    instanceId: string,
    arrivedAtMs: number,
    alone = false,
  ): Operation | undefined {
    const read = readRequest(instanceId, AdvanceMessage, message.data);
    if (read.ok) return advanceOperation(instanceId, read.value, arrivedAtMs, this.#parts.count);
    const reply = invalidReceipt(instanceId, message.data, read.error);
    this.#malformed(message, 'advance', instanceId, reply, alone);
    return undefined;
  }

  #decide(message: BusMessage, instanceId = subjectRest(message.subject)): void {
    const read = readRequest(instanceId, DecideMessage, message.data);
    if (!read.ok) {
      this.#malformed(message, 'decide', instanceId, errorReply(read.error));
      return;
    }
    const errand = decideOperation(instanceId, read.value, message.data, this.#arrivedAtMs());
    this.#parts.router.take(errand, replyTo(message));
  }

  #settle(message: BusMessage): void {
    const instanceId = subjectRest(message.subject);
    if (!isId(instanceId) || !readBody(SettleNote, message.data).ok) {
      this.#parts.count({ what: 'malformed', verb: 'settle' });
      return;
    }
    this.#parts.router.take(settleOperation(instanceId, this.#arrivedAtMs()), () => undefined);
  }

  #answered(message: BusMessage): void {
    const { router, count, heard } = this.#parts;
    const read = readBody(AnsweredNote, message.data);
    if (!read.ok) {
      count({ what: 'malformed', verb: 'answered' });
      return;
    }
    const { keys, by } = read.value;
    heard(by, router.answered(keys, by));
  }

  #leaving(message: BusMessage): void {
    const { router, count } = this.#parts;
    const read = readBody(LeavingNote, message.data);
    if (read.ok) router.leaving(read.value.replicaId, new Set(read.value.busy));
    else count({ what: 'malformed', verb: 'leaving' });
  }

  /**
   * Every replica sees a malformed broadcast; the first in rank answers it. What came to this one
   * alone, it answers.
   */
  #malformed(message: BusMessage, verb: string, rest: string, reply: Json, alone = false): void {
    this.#parts.count({ what: 'malformed', verb });
    if (alone || this.#parts.router.first(rest)) message.reply(reply);
  }

  /**
   * When the message arrived, at the earliest: it may have waited while this process stood still.
   */
  #arrivedAtMs(): number {
    return this.#parts.clock.wallMs() - this.#parts.pulse.maxAgeMs();
  }
}

function replyTo(message: BusMessage): (body: Json) => void {
  return (body) => message.reply(body);
}

function readRequest<T>(id: string, schema: z.ZodType<T>, data: Uint8Array): Read<T> {
  if (!isId(id)) {
    const message = `the id in the subject must be 1 to 128 characters of A-Z a-z 0-9 _ -`;
    return { ok: false, error: { code: 'invalid', message, field: 'subject' } };
  }
  return readBody(schema, data);
}

/** `advance` answers a receipt always; the request id is given back if one can be made out. */
function invalidReceipt(instanceId: string, data: Uint8Array, error: ReplyError): Json {
  const id = readBody(z.looseObject({ requestId: Id }), data);
  return asJson({
    requestId: id.ok ? id.value.requestId : null,
    instanceId,
    outcome: 'invalid',
    steps: [],
    nextCellId: null,
    holder: null,
    error,
  });
}
