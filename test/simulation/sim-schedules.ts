import type {
  DueCursor,
  DueSchedules,
  NewScheduleRevision,
  NewTick,
  RecordedTick,
  Schedules,
  ScheduleRevision,
  ScheduleState,
  TicksEntry,
  TicksTaken,
} from '../../advancer/log/schedules.ts';
import { tickBreach } from '../../src/schedule/tick-rule.ts';
import type { SimPostgres } from './sim-log.ts';

/** Sends one statement as a process does. */
type Call = <T>(name: string, apply: () => T) => Promise<T>;

/** A schedule as it is stored. */
interface Stored {
  revisions: ScheduleRevision[];
  ticks: RecordedTick[];
  /** When it is to be looked at; undefined for never. */
  nextAtMs: number | undefined;
}

/** Which rules are in force; a negative control switches one off. */
interface ScheduleRules {
  /** What guard_ticks.sql checks. */
  order: boolean;
  /** In how many statements a tick and its instance are written, and which comes first. */
  statements: 'one' | 'tick first' | 'instance first';
  /** An instance that is unattended gets a line of what is due. */
  lists: boolean;
}

/** The schedules of a {@link SimPostgres}, with the guard's rules. */
export class SimSchedules {
  readonly #postgres: SimPostgres;
  readonly stored = new Map<string, Stored>();
  readonly rules: ScheduleRules = { order: true, statements: 'one', lists: true };
  /** By the id of an instance: the schedule and the tick that started it. */
  readonly origins = new Map<string, { scheduleId: string; tickMs: number }>();

  /** How far the database's clock was set forward. */
  clockSkewMs = 0;

  constructor(postgres: SimPostgres) {
    this.#postgres = postgres;
  }

  /** The database's clock, in ISO 8601. */
  now(): string {
    return new Date(Date.parse(this.#postgres.now()) + this.clockSkewMs).toISOString();
  }

  /** See {@link Schedules}. Without schedules, no statement is sent. */
  as(call: Call): Schedules {
    const send: Call = (name, apply) =>
      this.stored.size === 0 && name !== 'appendSchedule'
        ? Promise.resolve(apply())
        : call(name, apply);
    return {
      state: (scheduleId) => send('schedule', () => this.#stateOf(scheduleId)),
      list: (after, limit) => send('schedules', () => this.#list(after, limit)),
      ticks: (scheduleId, limit) =>
        send('ticks', () => (this.stored.get(scheduleId)?.ticks ?? []).slice(-limit).toReversed()),
      append: (revision) => send('appendSchedule', () => this.append(revision)),
      due: (limit, after) => send('dueSchedules', () => this.#due(limit, after)),
      take: (entry) =>
        this.rules.statements === 'one'
          ? send('takeTicks', () => this.take(entry))
          : this.#inTwo(entry, send),
      lookAgain: (scheduleId, revision, nextAtMs) =>
        send('lookAgain', () => this.#move(scheduleId, revision, nextAtMs)),
      running: (scheduleId) => send('running', () => this.#running(scheduleId)),
      nowMs: () => send('clock', () => this.#nowMs()),
      restoreLines: () => send('restoreLines', () => undefined),
    };
  }

  append(revision: NewScheduleRevision): 'appended' | 'moved' {
    const { scheduleId } = revision;
    const stored = this.stored.get(scheduleId) ?? { revisions: [], ticks: [], nextAtMs: undefined };
    const newestTickMs = stored.ticks.at(-1)?.tickMs ?? 0;
    if (revision.revision !== stored.revisions.length + 1) return 'moved';
    if (revision.sinceMs < newestTickMs) return 'moved';
    const recordedAt = this.now();
    stored.revisions.push(structuredClone({ ...revision, recordedAt }));
    stored.nextAtMs = revision.paused || revision.deleted ? undefined : 0;
    this.stored.set(scheduleId, stored);
    return 'appended';
  }

  take(entry: TicksEntry): TicksTaken {
    const breach = this.#breachOf(entry);
    if (breach !== undefined) return { kind: 'moved', detail: breach };
    const placed = entry.ticks.map((tick) => ({ tick, id: this.#placeOf(entry, tick) }));
    for (const { tick, id } of placed) {
      this.#record(entry, tick, id);
      if (id !== undefined) this.#start(entry, tick, id);
    }
    this.#move(entry.scheduleId, entry.revision, entry.nextAtMs);
    return { kind: 'taken', instanceIds: placed.flatMap(({ id }) => id ?? []) };
  }

  /** The bug that one statement avoids. */
  async #inTwo(entry: TicksEntry, send: Call): Promise<TicksTaken> {
    const isTickFirst = this.rules.statements === 'tick first';
    let placed: { tick: NewTick; id: string | undefined }[] = [];
    const steps = [
      () => {
        for (const { tick, id } of placed) this.#record(entry, tick, id);
      },
      () => {
        for (const { tick, id } of placed) if (id !== undefined) this.#start(entry, tick, id);
      },
    ];
    const breach = await send('takeTicks', () => {
      const why = this.#breachOf(entry);
      if (why !== undefined) return why;
      placed = entry.ticks.map((tick) => ({ tick, id: this.#placeOf(entry, tick) }));
      steps[isTickFirst ? 0 : 1]!();
      return undefined;
    });
    if (breach !== undefined) return { kind: 'moved', detail: breach };
    const late = await send('takeTicks', () => {
      const why = isTickFirst ? undefined : this.#breachOf(entry);
      if (why !== undefined) return why;
      steps[isTickFirst ? 1 : 0]!();
      this.#move(entry.scheduleId, entry.revision, entry.nextAtMs);
      return undefined;
    });
    if (late !== undefined) return { kind: 'moved', detail: late };
    return { kind: 'taken', instanceIds: placed.flatMap(({ id }) => id ?? []) };
  }

  #breachOf({ scheduleId, revision, ticks }: TicksEntry): string | undefined {
    if (!this.rules.order) return undefined;
    const state = this.#stateOf(scheduleId);
    const { newest } = state ?? {};
    let newestTickMs = state?.newestTick?.tickMs;
    for (const { tickMs, afterMs, fromMs, outcome } of ticks) {
      const schedule = newest && {
        revision: newest.revision,
        idle: newest.paused || newest.deleted,
        sinceMs: newest.sinceMs,
        newestTickMs,
      };
      const tick = { tickMs, revision, afterMs, fromMs, outcome };
      const breach = tickBreach(schedule, tick, this.#nowMs());
      if (breach !== undefined) return breach.detail;
      newestTickMs = tickMs;
    }
    return undefined;
  }

  #placeOf(_entry: TicksEntry, { start }: NewTick): string | undefined {
    if (start === undefined) return undefined;
    return this.#postgres.instances.has(start.instanceId) ? start.otherId : start.instanceId;
  }

  #record({ scheduleId, revision }: TicksEntry, tick: NewTick, id: string | undefined): void {
    const { tickMs, outcome, afterMs, fromMs, reason } = tick;
    const own = { tickMs, revision, outcome, afterMs, fromMs, reason };
    const recordedAt = this.now();
    this.stored.get(scheduleId)!.ticks.push({ ...own, instanceId: id, recordedAt });
  }

  #start(entry: TicksEntry, { tickMs, start }: NewTick, instanceId: string): void {
    const { scheduleId, runbookId, agentId, unattended } = entry;
    const { version, inputs } = start!;
    // Waits are measured by the clock that was not set forward.
    const recordedAt = this.#postgres.now();
    const own = { instanceId, runbookId, version, inputs, agentId, recordedAt, unattended };
    if (this.rules.lists) this.#postgres.addInstance(own);
    else this.#postgres.instances.set(instanceId, own);
    this.origins.set(instanceId, { scheduleId, tickMs });
  }

  #move(scheduleId: string, revision: number, nextAtMs: number | undefined): void {
    const stored = this.stored.get(scheduleId);
    if (stored?.revisions.length === revision) stored.nextAtMs = nextAtMs;
  }

  #running(scheduleId: string): string | undefined {
    const ticks = this.stored.get(scheduleId)?.ticks ?? [];
    const instanceId = ticks.findLast((tick) => tick.instanceId !== undefined)?.instanceId;
    const ended = instanceId === undefined || this.#postgres.children.endingOf(instanceId);
    return ended === undefined ? instanceId : undefined;
  }

  #stateOf(scheduleId: string): ScheduleState | undefined {
    const stored = this.stored.get(scheduleId);
    const newest = stored?.revisions.at(-1);
    if (stored === undefined || newest === undefined) return undefined;
    return { newest, newestTick: stored.ticks.at(-1), nowMs: this.#nowMs() };
  }

  #due(limit: number, after?: DueCursor): DueSchedules {
    const nowMs = this.#nowMs();
    const due: { nextAtMs: number; scheduleId: string }[] = [];
    let nextInMs: number | undefined;
    for (const [scheduleId, { nextAtMs }] of this.stored) {
      if (nextAtMs === undefined) continue;
      if (nextAtMs <= nowMs) due.push({ nextAtMs, scheduleId });
      else nextInMs = Math.min(nextInMs ?? Number.POSITIVE_INFINITY, nextAtMs - nowMs);
    }
    const isBefore = (a: (typeof due)[number], b: (typeof due)[number]): boolean =>
      a.nextAtMs < b.nextAtMs || (a.nextAtMs === b.nextAtMs && a.scheduleId < b.scheduleId);
    const from = after && { nextAtMs: Number(after.nextAt), scheduleId: after.scheduleId };
    const page = due
      .filter((one) => from === undefined || isBefore(from, one))
      .sort((a, b) => (isBefore(a, b) ? -1 : 1))
      .slice(0, limit);
    const last = page.length < limit ? undefined : page.at(-1);
    return {
      schedules: page.map(({ scheduleId }) => this.#stateOf(scheduleId)!),
      next: last && { nextAt: String(last.nextAtMs), scheduleId: last.scheduleId },
      nextInMs,
    };
  }

  #list(after: string, limit: number): ScheduleState[] {
    return [...this.stored.keys()]
      .filter((scheduleId) => scheduleId > after)
      .sort()
      .flatMap((scheduleId) => this.#stateOf(scheduleId) ?? [])
      .filter(({ newest }) => !newest.deleted)
      .slice(0, limit);
  }

  #nowMs(): number {
    return Math.floor(Date.parse(this.now()));
  }
}
