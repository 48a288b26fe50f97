import type { ScheduleVerb, Subjects } from '../bus/subjects.ts';
import type { Json, JsonObject } from '../json.ts';
import type { ScheduleDetails, ScheduleList, ScheduleReply } from '../request/schedule-reply.ts';
import type { CatchUp, Overlap } from '../schedule/plan.ts';
import { checked } from './checked.ts';
import type { Replies } from './replies.ts';
import { answers } from './replies.ts';
import type { ScheduleReplies } from './schedule-replies.ts';

/** What a schedule starts, and when. */
export interface ScheduleOptions {
  runbookId: string;
  /** Default: the newest version at each tick. */
  version?: number | undefined;
  /** Five fields, or six with seconds before them. Exactly one of `cron` and `every` is given. */
  cron?: string | undefined;
  /** Such as `15m`; counted from 1970-01-01T00:00:00Z. */
  every?: string | undefined;
  /** Of `cron`. Default: `UTC`. */
  timezone?: string | undefined;
  inputs?: JsonObject | undefined;
  /** What becomes of a tick while the instance before it has not ended. Default: `skip`. */
  overlap?: Overlap | undefined;
  /** Which of the ticks that were missed are started late. Default: `last`. */
  catchUp?: CatchUp | undefined;
  /** Each tick is delayed by up to this long, such as `30s`. Default: not at all. */
  jitter?: string | undefined;
  /** Whether the instances advance without being asked. Default: true. */
  unattended?: boolean | undefined;
  /** Default: 10 s. */
  timeoutMs?: number | undefined;
}

/** How long to wait for the reply; default: 10 s. */
interface Within {
  timeoutMs?: number | undefined;
}

/** The schemas, which only few agents need, and what they need. */
const messages = () => import('../request/schedule-messages.ts');

/** Sends a request of the agent's. */
type Send = <K extends keyof ScheduleReplies>(request: {
  name: K;
  subject: string;
  body: object;
  accepts: (body: Json) => boolean;
  timeoutMs: number | undefined;
  retry: 'always' | 'undelivered';
}) => Promise<Replies[K]>;

/** The part of an agent that is about schedules: `agent.schedules`. Throws as its methods do. */
export class AgentSchedules {
  readonly #agentId: string;
  readonly #subjects: Subjects;
  readonly #send: Send;

  constructor(agentId: string, subjects: Subjects, send: Send) {
    this.#agentId = agentId;
    this.#subjects = subjects;
    this.#send = send;
  }

  /** Creates a schedule, or revises it; the same content again changes nothing. */
  async put(scheduleId: string, options: ScheduleOptions): Promise<ScheduleReply> {
    const { timeoutMs, inputs = {}, ...content } = options;
    const { SchedulePutMessage } = await messages();
    const agentId = this.#agentId;
    const body = checked(SchedulePutMessage, { scheduleId, ...content, inputs, agentId });
    return this.#change('put', scheduleId, body, timeoutMs);
  }

  /** Lets a schedule start nothing until it is resumed. What comes due meanwhile is left out. */
  pause(scheduleId: string, options: Within = {}): Promise<ScheduleReply> {
    return this.#changeNamed('pause', scheduleId, options);
  }

  /** Lets a paused schedule go on, from now on. */
  resume(scheduleId: string, options: Within = {}): Promise<ScheduleReply> {
    return this.#changeNamed('resume', scheduleId, options);
  }

  /** Ends a schedule. What it has started goes on. */
  delete(scheduleId: string, options: Within = {}): Promise<ScheduleReply> {
    return this.#changeNamed('delete', scheduleId, options);
  }

  /** A schedule, its next ticks, and what became of the newest ones. */
  async get(scheduleId: string, options: Within = {}): Promise<ScheduleDetails> {
    const { ScheduleGetMessage } = await messages();
    return this.#send({
      name: 'scheduleDetails',
      subject: this.#subjects.schedule('get'),
      body: checked(ScheduleGetMessage, { scheduleId, agentId: this.#agentId }),
      accepts: answers({ scheduleId }),
      timeoutMs: options.timeoutMs,
      retry: 'always',
    });
  }

  /** A page of the schedules, in the order of their ids. */
  async list(options: Within & { after?: string; limit?: number } = {}): Promise<ScheduleList> {
    const { timeoutMs, ...page } = options;
    const { ScheduleListMessage } = await messages();
    return this.#send({
      name: 'schedules',
      subject: this.#subjects.schedule('list'),
      body: checked(ScheduleListMessage, page),
      accepts: answers({}),
      timeoutMs,
      retry: 'always',
    });
  }

  async #changeNamed(
    verb: ScheduleVerb,
    scheduleId: string,
    options: Within,
  ): Promise<ScheduleReply> {
    const { ScheduleChangeMessage } = await messages();
    const body = checked(ScheduleChangeMessage, { scheduleId, agentId: this.#agentId });
    return this.#change(verb, scheduleId, body, options.timeoutMs);
  }

  #change(
    verb: ScheduleVerb,
    scheduleId: string,
    body: object,
    timeoutMs: number | undefined,
  ): Promise<ScheduleReply> {
    return this.#send({
      name: 'schedule',
      subject: this.#subjects.schedule(verb),
      body,
      accepts: answers({ scheduleId }),
      timeoutMs,
      retry: 'undelivered',
    });
  }
}
