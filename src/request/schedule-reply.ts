import type { ScheduleDefinition } from '../schedule/definition.ts';
import type { TickOutcome } from '../schedule/tick-rule.ts';

/** A tick of a schedule, and what became of it. */
export interface TickView {
  /** ISO 8601, in UTC. */
  tick: string;
  revision: number;
  outcome: TickOutcome;
  /** The instance that it started; absent if it started none. */
  instanceId?: string | undefined;
  /** Why it started none. */
  reason?: string | undefined;
  /** The first of the ticks that it stands for, if it stands for several. */
  from?: string | undefined;
  recordedAt: string;
}

/** The answer to `schedule.put`, `.pause`, `.resume` and `.delete`. */
export interface ScheduleReply {
  scheduleId: string;
  revision: number;
  /** The next ticks, ISO 8601 in UTC; empty while nothing will be started. */
  next: string[];
}

/** The answer to `schedule.get`. */
export interface ScheduleDetails extends ScheduleReply, ScheduleDefinition {
  paused: boolean;
  /** The agent that put, paused or resumed it last, and when. */
  agentId: string;
  recordedAt: string;
  /** The newest ticks, newest first. */
  ticks: TickView[];
}

/** A schedule as `schedule.list` shows it. */
export interface ListedSchedule
  extends
    ScheduleReply,
    Pick<ScheduleDefinition, 'runbookId' | 'version' | 'cron' | 'every' | 'timezone'> {
  paused: boolean;
  /** Its newest tick; absent before the first. */
  newest?: Pick<TickView, 'tick' | 'outcome' | 'instanceId' | 'reason'> | undefined;
}

/** The answer to `schedule.list`. */
export interface ScheduleList {
  schedules: ListedSchedule[];
  /** Set if there are more: pass it as `after`. */
  next?: string;
}
