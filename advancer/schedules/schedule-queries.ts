import { jsonOf, sameJson, type Json } from '../../src/json.ts';
import { didYouMean } from '../../src/runbook/nearest.ts';
import { noRunbook } from '../../src/runbook/no-runbook.ts';
import type { ReplyError } from '../../src/request/messages.ts';
import type {
  ScheduleChangeMessage,
  ScheduleGetMessage,
  ScheduleListMessage,
  SchedulePutMessage,
} from '../../src/request/schedule-messages.ts';
import type {
  ListedSchedule,
  ScheduleDetails,
  ScheduleList,
  ScheduleReply,
  TickView,
} from '../../src/request/schedule-reply.ts';
import { DEFAULT_TIMEZONE } from '../../src/schedule/cron.ts';
import { timingOf, type ScheduleDefinition } from '../../src/schedule/definition.ts';
import { tickIso } from '../../src/schedule/tick-id.ts';
import { timesAfter, timesOf } from '../../src/schedule/timing.ts';
import { errorReply } from '../intake/operations.ts';
import type { Log } from '../log/log.ts';
import type { RecordedTick, ScheduleRevision, ScheduleState } from '../log/schedules.ts';
import { basisOf, planOf, takeTicks, whatToStart } from './take-ticks.ts';

/** How many of the next ticks a reply has. */
const NEXT_TICKS = 5;
/** How many of the newest ticks `schedule.get` has. */
const SHOWN_TICKS = 10;
const LIST_LIMIT = 100;
/** Each time another writer comes first, it has made progress, so this often never happens. */
const MAX_TRIES = 100;

/** What {@link ScheduleQueries} needs from the rest of the replica. */
export interface ScheduleQueriesOptions {
  log: Pick<Log, 'runbook' | 'runbooks' | 'schedules'>;
  /** A tick started this instance, which is unattended. */
  started: (instanceId: string) => void;
  maxBytes: () => number;
}

/**
 * Answers what is asked about schedules. Any replica may: a change is a new revision, which the log
 * admits only after the newest one.
 */
export class ScheduleQueries {
  readonly #options: ScheduleQueriesOptions;

  constructor(options: ScheduleQueriesOptions) {
    this.#options = options;
  }

  /** Creates a schedule or revises it; the same content again changes nothing. */
  async put(message: SchedulePutMessage): Promise<Json> {
    const { scheduleId, agentId, ...content } = message;
    const definition = defined(content);
    const { log } = this.#options;
    const startable = await whatToStart(log, definition);
    if ('problem' in startable) {
      const { runbookId, version } = definition;
      const unknown = (await log.runbook(runbookId, version)) === undefined;
      if (!unknown) return refuse('invalid', startable.problem, startable.field);
      const text = noRunbook(runbookId, version, await log.runbooks());
      return refuse('not_found', `runbookId: ${text}`, 'runbookId');
    }
    return this.#revise(scheduleId, (newest) => {
      const kept = { paused: newest?.paused === true && !newest.deleted, deleted: false };
      if (newest !== undefined && !newest.deleted && sameDefinition(newest, definition))
        return 'as it is';
      return { ...definition, ...kept, agentId };
    });
  }

  /** Stops a schedule from starting anything, until it is resumed. */
  pause({ scheduleId, agentId }: ScheduleChangeMessage): Promise<Json> {
    return this.#change(scheduleId, (newest) =>
      newest.paused ? 'as it is' : { ...newest, paused: true, agentId },
    );
  }

  /** Lets a schedule start instances again, from now on. */
  resume({ scheduleId, agentId }: ScheduleChangeMessage): Promise<Json> {
    return this.#change(scheduleId, (newest) =>
      newest.paused ? { ...newest, paused: false, agentId } : 'as it is',
    );
  }

  /** Ends a schedule. Its revisions and ticks stay in the log. */
  delete({ scheduleId, agentId }: ScheduleChangeMessage): Promise<Json> {
    return this.#change(scheduleId, (newest) => ({ ...newest, deleted: true, agentId }));
  }

  /** A schedule with its newest ticks. */
  async get({ scheduleId }: ScheduleGetMessage): Promise<Json> {
    const { log } = this.#options;
    const state = await log.schedules.state(scheduleId);
    if (state === undefined || state.newest.deleted) return this.#unknown(scheduleId, state);
    const ticks = await log.schedules.ticks(scheduleId, SHOWN_TICKS);
    const { newest } = state;
    const details: ScheduleDetails = {
      ...replyOf(state),
      ...definitionOf(newest),
      paused: newest.paused,
      agentId: newest.agentId,
      recordedAt: newest.recordedAt,
      ticks: ticks.map(tickView),
    };
    return jsonOf(details);
  }

  /** Schedules in the order of their ids, as many as fit in a message. */
  async list({ after = '', limit = LIST_LIMIT }: ScheduleListMessage): Promise<Json> {
    const states = await this.#options.log.schedules.list(after, limit + 1);
    const schedules: ListedSchedule[] = [];
    let leftBytes = this.#options.maxBytes() / 2;
    for (const state of states.slice(0, limit)) {
      const listed = listedOf(state);
      leftBytes -= Buffer.byteLength(JSON.stringify(listed));
      if (leftBytes < 0 && schedules.length > 0) break;
      schedules.push(listed);
    }
    const last = schedules.at(-1);
    const isMore = states.length > schedules.length;
    const list: ScheduleList =
      isMore && last !== undefined ? { schedules, next: last.scheduleId } : { schedules };
    return jsonOf(list);
  }

  /** Revises a schedule that exists. */
  #change(
    scheduleId: string,
    revised: (newest: ScheduleRevision) => Revised | 'as it is',
  ): Promise<Json> {
    return this.#revise(scheduleId, (newest) =>
      newest === undefined || newest.deleted ? 'unknown' : revised(newest),
    );
  }

  /**
   * Appends a revision. What came due until it begins is taken first, under the revision before it,
   * so that nothing that was due is lost.
   */
  async #revise(
    scheduleId: string,
    revised: (newest: ScheduleRevision | undefined) => Revised | 'as it is' | 'unknown',
  ): Promise<Json> {
    const { log, started } = this.#options;
    for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
      const state = await log.schedules.state(scheduleId);
      const revision = revised(state?.newest);
      if (revision === 'unknown') return this.#unknown(scheduleId, state);
      if (revision === 'as it is') return jsonOf(replyOf(state!));
      const now = state ?? { nowMs: await this.#nowMs() };
      if (state !== undefined && !state.newest.paused && !state.newest.deleted) {
        // Those that only wait for their jitter, too.
        const plan = planOf(state, 0);
        if (plan.ticks.length > 0) {
          const looked = await takeTicks(log, state, plan, plan.nextAtMs);
          if (looked.kind === 'done') for (const id of looked.unattended) started(id);
          continue;
        }
      }
      const next = {
        ...revision,
        scheduleId,
        revision: (state?.newest.revision ?? 0) + 1,
        sinceMs: state === undefined ? now.nowMs : Math.max(now.nowMs, basisOf(state)),
      };
      if ((await log.schedules.append(next)) === 'appended') {
        const written = { newest: { ...next, recordedAt: '' }, newestTick: state?.newestTick };
        return jsonOf(replyOf({ ...written, nowMs: now.nowMs }));
      }
    }
    return refuse('unavailable', `schedule ${scheduleId} is changed by others; ask again`);
  }

  async #unknown(scheduleId: string, state: ScheduleState | undefined): Promise<Json> {
    if (state !== undefined) {
      const { agentId, recordedAt } = state.newest;
      const text = `schedule ${scheduleId} was deleted by ${agentId} at ${recordedAt}; put it again`;
      return refuse('not_found', text, 'scheduleId');
    }
    const known = await this.#options.log.schedules.list('', 1_000);
    const ids = known.map(({ newest }) => newest.scheduleId);
    const text = `there is no schedule ${scheduleId}${didYouMean(scheduleId, ids)}`;
    return refuse('not_found', text, 'scheduleId');
  }

  async #nowMs(): Promise<number> {
    return this.#options.log.schedules.nowMs();
  }
}

/** A revision without what follows from the one before it. */
type Revised = Omit<ScheduleRevision, 'scheduleId' | 'revision' | 'sinceMs' | 'recordedAt'>;

function definitionOf(revision: ScheduleDefinition): ScheduleDefinition {
  const { runbookId, version, cron, every, timezone, inputs } = revision;
  const { overlap, catchUp, jitter, unattended } = revision;
  const when = { cron, every, timezone, jitter };
  return { runbookId, version, inputs, overlap, catchUp, unattended, ...when };
}

/** A definition with the time zone that it means. */
function defined(content: ScheduleDefinition): ScheduleDefinition {
  if (content.cron === undefined) return content;
  return { ...content, timezone: content.timezone ?? DEFAULT_TIMEZONE };
}

function sameDefinition(a: ScheduleDefinition, b: ScheduleDefinition): boolean {
  return sameJson(jsonOf(definitionOf(a)), jsonOf(definitionOf(b)));
}

function nextOf(state: ScheduleState, count: number): string[] {
  const { newest, nowMs } = state;
  if (newest.paused || newest.deleted) return [];
  const afterMs = Math.max(basisOf(state), nowMs);
  return timesAfter(timesOf(timingOf(newest)), afterMs, count).map(tickIso);
}

function replyOf(state: ScheduleState): ScheduleReply {
  const { scheduleId, revision } = state.newest;
  return { scheduleId, revision, next: nextOf(state, NEXT_TICKS) };
}

function listedOf(state: ScheduleState): ListedSchedule {
  const { newest, newestTick } = state;
  const { scheduleId, revision, runbookId, version, cron, every, timezone, paused } = newest;
  const when = { cron, every, timezone };
  const own = { scheduleId, revision, next: nextOf(state, 1), runbookId, version, ...when, paused };
  if (newestTick === undefined) return own;
  const { tick, outcome, instanceId, reason } = tickView(newestTick);
  return { ...own, newest: { tick, outcome, instanceId, reason } };
}

function tickView(recorded: RecordedTick): TickView {
  const { tickMs, revision, outcome, fromMs, instanceId, reason, recordedAt } = recorded;
  const from = fromMs === undefined ? undefined : tickIso(fromMs);
  return { tick: tickIso(tickMs), revision, outcome, instanceId, reason, from, recordedAt };
}

function refuse(code: ReplyError['code'], message: string, field?: string): Json {
  return errorReply(field === undefined ? { code, message } : { code, message, field });
}
