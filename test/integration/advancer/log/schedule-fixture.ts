import type { Client } from 'pg';

import type {
  NewScheduleRevision,
  NewTick,
  TicksEntry,
} from '../../../../advancer/log/schedules.ts';
import { RUNBOOK } from './fixture.ts';

export const HOUR = 3_600_000;
/** A whole hour, long enough ago for many ticks. */
export const START = Math.floor(Date.now() / HOUR) * HOUR - 1_000 * HOUR;

/** Stores the runbook that schedules start. */
export async function storeRunbook(app: Client): Promise<void> {
  await app.query(
    `insert into leasehold.runbooks (runbook_id, version, cells, inputs, digest)
       values ($1, 1, $2, '[]', 'x')`,
    [RUNBOOK.runbook, JSON.stringify(RUNBOOK.cells)],
  );
}

/** An hourly schedule. */
export function revision(
  scheduleId: string,
  over: Partial<NewScheduleRevision> = {},
): NewScheduleRevision {
  return {
    scheduleId,
    revision: 1,
    runbookId: RUNBOOK.runbook,
    every: '1h',
    inputs: {},
    overlap: 'skip',
    catchUp: 'last',
    unattended: true,
    paused: false,
    deleted: false,
    sinceMs: START,
    agentId: 'ann',
    ...over,
  };
}

/** A tick that starts an instance. */
export function started(scheduleId: string, tickMs: number, afterMs: number): NewTick {
  const instanceId = `${scheduleId}-${tickMs}`;
  const start = { instanceId, otherId: `${instanceId}-other`, version: 1, inputs: { n: 1 } };
  return { tickMs, outcome: 'started', afterMs, start };
}

/** Ticks, to be appended. */
export function entry(
  scheduleId: string,
  ticks: NewTick[],
  over: Partial<TicksEntry> = {},
): TicksEntry {
  return {
    scheduleId,
    revision: 1,
    runbookId: RUNBOOK.runbook,
    agentId: 'ann',
    unattended: true,
    ticks,
    nextAtMs: undefined,
    ...over,
  };
}
