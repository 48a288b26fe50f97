import type {
  AppendEntry,
  AppendOutcome,
  LateOutcome,
  Log,
  Refusal,
  WaitReading,
} from '../../../../advancer/log/log.ts';
import type {
  CellOutcome,
  EffectContext,
  EffectRunner,
  EffectSignals,
  ProbeAnswer,
} from '../../../../advancer/cells/cells.ts';
import type { RunContext } from '../../../../advancer/run/context.ts';
import { InstanceLog } from '../../../../advancer/run/instance-log.ts';
import { LateProjections } from '../../../../advancer/run/late-projections.ts';
import type { Row } from '../../../../src/execution/row.ts';
import type { Holding } from '../../../../src/lease/holding.ts';
import type { ExecCell, Runbook } from '../../../../src/runbook/runbook.ts';
import { holderContext, holdingOf } from '../../../harness/holder.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

export const ME = 'me-00000001';
export const OTHER = 'other-00000002';

const RUNBOOK: Runbook = {
  runbook: 'book',
  version: 1,
  inputs: [],
  cells: [
    { id: 'a', exec: { handler: 'any' } },
    { id: 'b', exec: { handler: 'any' } },
  ],
};

/** A log of instance `i` that answers appends from a script, and as a rule accepts them. */
export class ScriptedLog {
  rows: Row[] = [];
  readonly entries: AppendEntry[] = [];
  readonly refusals: Refusal[] = [];
  readonly lateOutcomes: LateOutcome[] = [];
  /** The answers to the next appends; once used up, every append is accepted. */
  readonly answers: AppendOutcome[] = [];
  snapshots = 0;
  runbook = RUNBOOK;
  /** What the database says of the next waits. */
  readonly waits: WaitReading[] = [];

  get log(): Log {
    const recordedAt = '2030-01-31T11:00:00.000000Z';
    const pinned = { runbookId: 'book', version: 1, inputs: {} };
    const instance = { instanceId: 'i', ...pinned, agentId: 'x', recordedAt };
    const log: Partial<Log> = {
      snapshot: () => {
        this.snapshots += 1;
        return Promise.resolve({
          instance,
          runbook: this.runbook,
          rows: [...this.rows],
          readAtMs: 0,
        });
      },
      append: (entry) => {
        this.entries.push(entry);
        return Promise.resolve(this.answers.shift() ?? this.#accept(entry));
      },
      addRefusal: (refusal) => Promise.resolve(void this.refusals.push(refusal)),
      addLateOutcome: (late) => Promise.resolve(void this.lateOutcomes.push(late)),
      lateOutcomes: () => Promise.resolve(this.lateOutcomes),
      project: () => Promise.resolve(),
      receipt: () => Promise.resolve(undefined),
      readWait: () => Promise.resolve(this.waits.shift() ?? { claim: undefined, isDue: false }),
    };
    return log as Log;
  }

  #accept(entry: AppendEntry): AppendOutcome {
    const rows = entry.rows.map((row) => ({ ...row, recordedAt: '2030-01-31T12:00:00.000Z' }));
    this.rows.push(...rows);
    return { kind: 'appended', rows };
  }
}

/** Effects that end when a test says so, or when they are asked to. */
export class HandEffects implements EffectRunner {
  readonly started: string[] = [];
  readonly probed: string[] = [];
  /** What the probe answers. */
  answer: ProbeAnswer = { answer: 'unknown', why: 'nobody knows' };
  #end: (outcome: CellOutcome) => void = () => undefined;
  /** Effects that end at once, in order; after them, effects run until they are ended. */
  readonly outcomes: CellOutcome[] = [];

  run(cell: ExecCell, context: EffectContext, signals: EffectSignals): Promise<CellOutcome> {
    this.started.push(`${cell.id} ${context.attempt}`);
    const outcome = this.outcomes.shift();
    if (outcome !== undefined) return Promise.resolve(outcome);
    return new Promise((resolve) => {
      this.#end = resolve;
      signals.notCancelled.onEnd(() =>
        resolve({ kind: 'unknown', reason: 'aborted', detail: { message: 'cancelled' } }),
      );
    });
  }

  end(outcome: CellOutcome): void {
    this.#end(outcome);
  }

  unfitFor(): undefined {
    return undefined;
  }

  probe(_effect: unknown, { cellId }: EffectContext): Promise<ProbeAnswer> {
    this.probed.push(cellId);
    return Promise.resolve(this.answer);
  }
}

/** One instance log over a {@link ScriptedLog}, and what it reported to the rest of the replica. */
export interface Stage {
  clock: HandClock;
  scripted: ScriptedLog;
  holding: Holding & { superseded: boolean };
  context: RunContext;
  settleAsked: string[];
  troubles: unknown[];
}

export function stage(over: Partial<RunContext> = {}): Stage {
  const clock = new HandClock();
  const scripted = new ScriptedLog();
  const [settleAsked, troubles]: [string[], unknown[]] = [[], []];
  const holding = { ...holdingOf('i', 10), superseded: false };
  holding.trusted = () => !holding.superseded;
  const base = holderContext(ME, scripted.log);
  const context: RunContext = {
    ...base,
    clock,
    projections: new LateProjections(clock, scripted.log, () => undefined),
    leases: {
      ...base.leases,
      supersede: () => {
        holding.superseded = true;
      },
    },
    askToSettle: (instanceId) => settleAsked.push(instanceId),
    logTrouble: (cause) => troubles.push(cause),
    ...over,
  };
  return { clock, scripted, holding, context, settleAsked, troubles };
}

/** The instance's log as it is now, under the stage's holding. */
export async function read({ context, holding, scripted }: Stage): Promise<InstanceLog> {
  const snapshot = await scripted.log.snapshot('i');
  return new InstanceLog(context, holding, snapshot!);
}
