import type { Runbook } from '../../src/runbook/runbook.ts';
import { completeInputs, inputProblemsText } from '../../src/runbook/inputs.ts';
import { reservedCellId } from '../../src/runbook/undo.ts';
import { jitterMsOf, timingOf } from '../../src/schedule/definition.ts';
import { MAX_MISSED, planTicks, type PlannedTick, type TickPlan } from '../../src/schedule/plan.ts';
import { hashedTickInstanceId, tickInstanceId } from '../../src/schedule/tick-id.ts';
import type { Log } from '../log/log.ts';
import type {
  NewTick,
  ScheduleRevision,
  ScheduleState,
  TicksTaken,
  TickStart,
} from '../log/schedules.ts';

/** What taking a schedule's ticks needs of the log. */
export type TickLog = Pick<Log, 'runbook' | 'schedules'>;

/** What came of looking at a schedule. */
export type LookedAt =
  /** Nothing more is due until `nextAtMs`. `unattended` are the instances that may go on now. */
  | { kind: 'done'; taken: NewTick[]; unattended: string[] }
  /** Another writer came first: read it again. */
  | { kind: 'moved'; detail: string };

/** The moment after which the next tick of a schedule comes. */
export function basisOf({ newest, newestTick }: ScheduleState): number {
  return Math.max(newest.sinceMs, newestTick?.tickMs ?? Number.NEGATIVE_INFINITY);
}

/** What is due of a schedule. */
export function planOf(state: ScheduleState, jitterMs = jitterMsOf(state.newest)): TickPlan {
  const { newest, nowMs } = state;
  const { scheduleId, catchUp } = newest;
  const timing = timingOf(newest);
  return planTicks({ scheduleId, timing, catchUp, jitterMs, afterMs: basisOf(state), nowMs });
}

/** Appends what a plan says, and starts the instances. */
export async function takeTicks(
  log: TickLog,
  state: ScheduleState,
  plan: TickPlan,
  nextAtMs: number | undefined,
): Promise<LookedAt> {
  const { newest } = state;
  const ticks = await decide(log, newest, plan.ticks, basisOf(state));
  const { scheduleId, revision, runbookId, agentId, unattended } = newest;
  const taken: TicksTaken = await log.schedules.take({
    scheduleId,
    revision,
    runbookId,
    agentId,
    unattended,
    ticks,
    nextAtMs,
  });
  if (taken.kind === 'moved') return taken;
  return { kind: 'done', taken: ticks, unattended: unattended ? taken.instanceIds : [] };
}

/** What a tick can start, or why it can start nothing. */
type Startable = { runbook: Runbook; inputs: TickStart['inputs'] } | { problem: string };

async function decide(
  log: TickLog,
  schedule: ScheduleRevision,
  planned: readonly PlannedTick[],
  basisMs: number,
): Promise<NewTick[]> {
  const starts = planned.some(({ verdict }) => verdict === 'start');
  const startable = starts ? await whatToStart(log, schedule) : undefined;
  let running =
    starts && schedule.overlap === 'skip'
      ? await log.schedules.running(schedule.scheduleId)
      : undefined;
  let afterMs = basisMs;
  return planned.map((tick): NewTick => {
    const own = { tickMs: tick.tickMs, afterMs };
    afterMs = tick.tickMs;
    if (tick.verdict === 'missed' || startable === undefined) return { ...own, ...missed(tick) };
    if ('problem' in startable)
      return { ...own, outcome: 'invalid', reason: startable.problem.slice(0, MAX_REASON) };
    if (running !== undefined)
      return { ...own, outcome: 'skipped', reason: `overlap: ${running} has not ended` };
    const start: TickStart = {
      instanceId: tickInstanceId(schedule.scheduleId, tick.tickMs),
      otherId: hashedTickInstanceId(schedule.scheduleId, tick.tickMs),
      version: startable.runbook.version,
      inputs: startable.inputs,
    };
    if (schedule.overlap === 'skip') running = start.instanceId;
    return { ...own, outcome: 'started', start };
  });
}

/** Characters of a reason; the problems of inputs may be many. */
const MAX_REASON = 2_000;

function missed({ fromMs }: PlannedTick): Pick<NewTick, 'outcome' | 'reason' | 'fromMs'> {
  const reason =
    fromMs === undefined
      ? 'missed: it was due more than a minute earlier'
      : `missed: of more than ${MAX_MISSED} missed ticks, only the newest are looked at`;
  return { outcome: 'skipped', reason, fromMs };
}

/** The runbook version and inputs of an instance that is started now, as `start` has them. */
export async function whatToStart(
  log: Pick<Log, 'runbook'>,
  { runbookId, version, inputs }: Pick<ScheduleRevision, 'runbookId' | 'version' | 'inputs'>,
): Promise<Startable & { field?: string }> {
  const runbook = await log.runbook(runbookId, version);
  if (runbook === undefined) {
    const which = version === undefined ? runbookId : `${runbookId} version ${version}`;
    return { problem: `there is no runbook ${which}`, field: 'runbookId' };
  }
  const reserved = reservedCellId(runbook.cells);
  if (reserved !== undefined) {
    const problem =
      `runbookId: ${runbookId} version ${runbook.version} cannot run: the id ${reserved} begins ` +
      'with undo-, which names what undoes a cell; push a version that names the cell otherwise';
    return { problem, field: 'runbookId' };
  }
  const completed = completeInputs(runbook.inputs, inputs);
  if (completed.ok) return { runbook, inputs: completed.inputs };
  const text = inputProblemsText(completed.problems);
  const field = completed.problems[0]?.field ?? 'inputs';
  return { problem: `${runbookId} version ${runbook.version}: ${text}`, field };
}
