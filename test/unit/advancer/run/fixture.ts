import type {
  AppendEntry,
  AppendOutcome,
  LateOutcome,
  Log,
  Refusal,
} from '../../../../advancer/log/log.ts';
import type { RunContext } from '../../../../advancer/run/context.ts';
import { InstanceLog } from '../../../../advancer/run/instance-log.ts';
import { LateProjections } from '../../../../advancer/run/late-projections.ts';
import type { Row } from '../../../../src/execution/row.ts';
import type { Holding } from '../../../../src/lease/holding.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';
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

  get log(): Log {
    const instance = {
      instanceId: 'i',
      runbookId: 'book',
      version: 1,
      inputs: {},
      agentId: 'x',
      recordedAt: '2030-01-31T11:59:00.000000Z',
    };
    const log: Partial<Log> = {
      snapshot: () => {
        this.snapshots += 1;
        return Promise.resolve({ instance, runbook: RUNBOOK, rows: [...this.rows], readAtMs: 0 });
      },
      append: (entry) => {
        this.entries.push(entry);
        return Promise.resolve(this.answers.shift() ?? this.#accept(entry));
      },
      addRefusal: (refusal) => Promise.resolve(void this.refusals.push(refusal)),
      addLateOutcome: (late) => Promise.resolve(void this.lateOutcomes.push(late)),
      lateOutcomes: () => Promise.resolve(this.lateOutcomes),
      project: () => Promise.resolve(),
    };
    return log as Log;
  }

  #accept(entry: AppendEntry): AppendOutcome {
    const rows = entry.rows.map((row) => ({ ...row, recordedAt: '2030-01-31T12:00:00.000Z' }));
    this.rows.push(...rows);
    return { kind: 'appended', rows };
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
