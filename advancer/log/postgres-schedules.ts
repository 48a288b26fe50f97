import { endingOf } from '../../src/execution/children.ts';
import { storableJson } from '../../src/json.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import { isRefusal, type Queryable } from './connections.ts';
import { versionKey, type RunbookCache } from './runbook-cache.ts';
import type {
  DueCursor,
  DueSchedules,
  NewScheduleRevision,
  RecordedTick,
  ScheduleState,
  Schedules,
  TicksEntry,
  TicksTaken,
} from './schedules.ts';
import {
  dueSchedules,
  insertRevision,
  insertTicks,
  listSchedules,
  newestTickInstance,
  putNextAt,
  readClock,
  readSchedule,
  readTicks,
  restoreScheduleLines,
  type StateLine,
} from './sql/schedules.ts';
import { withoutNulls } from './without-nulls.ts';

/** What says that another writer came first: a guard, or a key that is taken. */
const MOVED = new Set(['LH001', 'LH003', 'LH006', '23505']);

/** The schedules, in Postgres. */
export class PostgresSchedules implements Schedules {
  readonly #db: Queryable;
  readonly #runbooks: RunbookCache<Runbook>;

  constructor(db: Queryable, runbooks: RunbookCache<Runbook>) {
    this.#db = db;
    this.#runbooks = runbooks;
  }

  async state(scheduleId: string): Promise<ScheduleState | undefined> {
    const line = await readSchedule(this.#db, scheduleId);
    return line && stateOf(line);
  }

  async list(after: string, limit: number): Promise<ScheduleState[]> {
    return (await listSchedules(this.#db, after, limit)).map(stateOf);
  }

  async ticks(scheduleId: string, limit: number): Promise<RecordedTick[]> {
    return (await readTicks(this.#db, scheduleId, limit)).map((tick) => withoutNulls(tick));
  }

  async append(revision: NewScheduleRevision): Promise<'appended' | 'moved'> {
    try {
      await insertRevision(this.#db, { ...revision, inputs: storableJson(revision.inputs) });
      return 'appended';
    } catch (cause) {
      if (isRefusal(cause) && MOVED.has(cause.code)) return 'moved';
      throw cause;
    }
  }

  async due(limit: number, after?: DueCursor): Promise<DueSchedules> {
    const { due, in_ms: inMs } = await dueSchedules(this.#db, limit, after);
    const last = due.length < limit ? undefined : due.at(-1);
    return {
      schedules: due.map(stateOf),
      next: last && { nextAt: last.nextAt, scheduleId: last.scheduleId },
      nextInMs: inMs ?? undefined,
    };
  }

  async take(entry: TicksEntry): Promise<TicksTaken> {
    const ticks = entry.ticks.map((tick) => ({
      ...tick,
      reason: tick.reason === undefined ? undefined : storableJson(tick.reason),
      start: tick.start && { ...tick.start, inputs: storableJson(tick.start.inputs) },
    }));
    try {
      return { kind: 'taken', instanceIds: await insertTicks(this.#db, { ...entry, ticks }) };
    } catch (cause) {
      if (!isRefusal(cause) || !MOVED.has(cause.code)) throw cause;
      return { kind: 'moved', detail: cause.message };
    }
  }

  lookAgain(scheduleId: string, revision: number, nextAtMs: number | undefined): Promise<void> {
    return putNextAt(this.#db, scheduleId, revision, nextAtMs);
  }

  async running(scheduleId: string): Promise<string | undefined> {
    const line = await newestTickInstance(this.#db, scheduleId);
    if (line === undefined) return undefined;
    const { instanceId, runbookId, version, kind, cellId, as } = line;
    const runbooks = await this.#runbooks.getAll([{ runbookId, version }]);
    const runbook = runbooks.get(versionKey({ runbookId, version }));
    const newest = kind === null ? undefined : { kind, cellId, as };
    const ended = runbook !== undefined && endingOf(runbook, newest) !== undefined;
    return ended ? undefined : instanceId;
  }

  nowMs(): Promise<number> {
    return readClock(this.#db);
  }

  restoreLines(all = false): Promise<void> {
    return restoreScheduleLines(this.#db, all);
  }
}

function stateOf(line: StateLine): ScheduleState {
  return {
    newest: withoutNulls(line.revision),
    newestTick: line.tick === null ? undefined : withoutNulls(line.tick),
    nowMs: Math.floor(line.now_ms),
  };
}
