import { setTimeout as sleep } from 'node:timers/promises';

import { eventually, type TestCluster } from '../harness/replicas.ts';

/** How long after their common tick something happened, in milliseconds. */
export interface Lateness {
  median: number;
  worst: number;
}

/** What schedules did that were due in the same second. */
export interface TicksResult {
  /** The ticks were recorded, and their instances were there. */
  startedMs: Lateness;
  /** The instances had their first rows. */
  begunMs: Lateness;
  /** Ticks that did not start exactly one instance. */
  notOnce: number;
}

/** The runbook that the schedules start. */
export const TICKED = {
  runbook: 'ticked',
  version: 1,
  inputs: [],
  cells: [{ id: 'gate', await: { for: '1ms' } }],
};

/** How far ahead the tick is, so that all schedules are there before. */
const LEAD_MS = 2_500;

/** Lets schedules come due in the same second, and waits until their instances have begun. */
export async function tickTogether({ app }: TestCluster, count: number): Promise<TicksResult> {
  const { rows } = await app.query<{ tick: Date }>(
    `select date_trunc('second', clock_timestamp() + $1 * interval '1 millisecond') as tick`,
    [LEAD_MS + count],
  );
  const { tick } = rows[0]!;
  const cron = `${tick.getUTCSeconds()} ${tick.getUTCMinutes()} ${tick.getUTCHours()} * * *`;
  await app.query(
    `insert into leasehold.schedules (schedule_id, revision, runbook_id, cron, agent_id)
       select 'tick-' || n, 1, 'ticked', $1, 'load' from generate_series(1, $2) n`,
    [cron, count],
  );
  const begun = await eventually(async () => {
    await sleep(200);
    const found = await app.query<{ started: number; begun: number }>(
      `select (extract(epoch from t.recorded_at - t.tick) * 1000)::float8 as started,
              (extract(epoch from e.recorded_at - t.tick) * 1000)::float8 as begun
         from leasehold.ticks t join leasehold.executions e using (instance_id)
         where t.schedule_id like 'tick-%' and e.seq = 1`,
    );
    return found.rows.length >= count ? found.rows : undefined;
  });
  const once = await app.query<{ count: string }>(
    `select count(*) from (
       select from leasehold.instances where schedule_id like 'tick-%' and tick = $1
         group by schedule_id having count(*) = 1) o`,
    [tick],
  );
  return {
    startedMs: latenessOf(begun.map(({ started }) => started)),
    begunMs: latenessOf(begun.map((one) => one.begun)),
    notOnce: count - Number(once.rows[0]!.count),
  };
}

function latenessOf(times: readonly number[]): Lateness {
  const sorted = times.toSorted((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)] ?? 0, worst: sorted.at(-1) ?? 0 };
}
