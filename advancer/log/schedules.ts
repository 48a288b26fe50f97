import type { JsonObject } from '../../src/json.ts';
import type { ScheduleDefinition } from '../../src/schedule/definition.ts';
import type { TickOutcome } from '../../src/schedule/tick-rule.ts';

/** A revision of a schedule, to be appended. */
export interface NewScheduleRevision extends ScheduleDefinition {
  scheduleId: string;
  revision: number;
  paused: boolean;
  deleted: boolean;
  /** When it begins, in milliseconds since 1970; what came due before belongs to the one before. */
  sinceMs: number;
  agentId: string;
}

/** A recorded revision. */
export interface ScheduleRevision extends NewScheduleRevision {
  /** ISO 8601, by the database's clock. */
  recordedAt: string;
}

/** A tick, to be appended, with what is to be started at it. */
export interface NewTick {
  tickMs: number;
  outcome: TickOutcome;
  /** What it rests on: the tick before it, or when the revision began. */
  afterMs: number;
  /** Set if it stands for every tick from this one on. */
  fromMs?: number | undefined;
  /** Why it starts nothing. */
  reason?: string | undefined;
  start?: TickStart | undefined;
}

/** The instance that a tick starts. */
export interface TickStart {
  /** The id that it gets, and the one that it gets instead if an instance has that id. */
  instanceId: string;
  otherId: string;
  version: number;
  inputs: JsonObject;
}

/** Ticks of one schedule, appended together with their instances. */
export interface TicksEntry {
  scheduleId: string;
  revision: number;
  /** Of every instance that is started. */
  runbookId: string;
  agentId: string;
  unattended: boolean;
  /** In order. */
  ticks: readonly NewTick[];
  /** When the schedule is to be looked at next; undefined for never. */
  nextAtMs: number | undefined;
}

/** What came of appending ticks: all of them or none. */
export type TicksTaken =
  | { kind: 'taken'; instanceIds: string[] }
  /** Another tick, revision or instance came first: read the schedule again. */
  | { kind: 'moved'; detail: string };

/** A recorded tick. */
export interface RecordedTick {
  tickMs: number;
  revision: number;
  outcome: TickOutcome;
  afterMs: number | undefined;
  fromMs: number | undefined;
  instanceId: string | undefined;
  reason: string | undefined;
  /** ISO 8601, by the database's clock. */
  recordedAt: string;
}

/** A schedule as it is now, read in one statement. */
export interface ScheduleState {
  newest: ScheduleRevision;
  newestTick: RecordedTick | undefined;
  /** By the database's clock, in milliseconds since 1970. */
  nowMs: number;
}

/** The schedules that are to be looked at. */
export interface DueSchedules {
  schedules: ScheduleState[];
  /** After what the next page begins; undefined if this one is the last. */
  next: DueCursor | undefined;
  /** In how many milliseconds the next one will be that is not due yet; undefined if none is. */
  nextInMs: number | undefined;
}

/** A place among the schedules that are due. */
export interface DueCursor {
  /** As Postgres writes it: with microseconds, or `-infinity`. */
  nextAt: string;
  scheduleId: string;
}

/**
 * The part of the log that is about schedules. All throw `LogUnavailable` when Postgres cannot be
 * asked; a write may then have been applied or not, and reading the schedule again shows which.
 */
export interface Schedules {
  /** The newest revision and the newest tick, deleted schedules included. */
  state(scheduleId: string): Promise<ScheduleState | undefined>;
  /** Schedules that are not deleted, after an id, in the order of their ids. */
  list(after: string, limit: number): Promise<ScheduleState[]>;
  /** The newest ticks of a schedule, newest first. */
  ticks(scheduleId: string, limit: number): Promise<RecordedTick[]>;
  /** Appends a revision; `moved` if another one, or a later tick, came first. */
  append(revision: NewScheduleRevision): Promise<'appended' | 'moved'>;
  /** A page of the schedules that are to be looked at now, the longest due first. */
  due(limit: number, after?: DueCursor): Promise<DueSchedules>;
  /** Appends ticks and starts their instances, in one statement. */
  take(entry: TicksEntry): Promise<TicksTaken>;
  /** Notes when a schedule is to be looked at next, unless its revision has changed. */
  lookAgain(scheduleId: string, revision: number, nextAtMs: number | undefined): Promise<void>;
  /** The instance that the newest tick with one started, unless it has ended. */
  running(scheduleId: string): Promise<string | undefined>;
  /** The database's clock, in milliseconds since 1970. */
  nowMs(): Promise<number>;
  /**
   * Restores what the projection lacks, so that every schedule is looked at.
   *
   * @param all also what it has, which may be wrong; default: false
   */
  restoreLines(all?: boolean): Promise<void>;
}
