import * as fc from 'fast-check';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { NewScheduleRevision } from '../../../../advancer/log/schedules.ts';
import {
  tickBreach,
  TICK_OUTCOMES,
  type RuledSchedule,
  type RuledTick,
} from '../../../../src/schedule/tick-rule.ts';
import { codeOf, connect, databaseOfFile, freshId, log } from './fixture.ts';
import { entry, HOUR, revision, START, started, storeRunbook } from './schedule-fixture.ts';

const database = databaseOfFile();

let app: Client;

beforeAll(async () => {
  app = new Client({ connectionString: database.appUrl });
  await app.connect();
  await storeRunbook(app);
});

afterAll(() => app.end());

/** Inserts one tick, without an instance. */
function insertTick(
  client: Client,
  scheduleId: string,
  tick: Omit<RuledTick, 'outcome'> & { outcome: string },
): Promise<unknown> {
  const iso = (timeMs: number | undefined): string | null =>
    timeMs === undefined ? null : new Date(timeMs).toISOString();
  return client.query(
    `insert into leasehold.ticks (schedule_id, tick, revision, outcome, after, from_tick)
       values ($1, $2, $3, $4, $5, $6)`,
    [
      scheduleId,
      iso(tick.tickMs),
      tick.revision,
      tick.outcome,
      iso(tick.afterMs),
      iso(tick.fromMs),
    ],
  );
}

describe('the guard of the ticks', () => {
  /** A schedule with one tick an hour after it began. */
  async function schedule(): Promise<{ id: string; schedule: RuledSchedule }> {
    const id = freshId('s');
    const { schedules } = log(database);
    await schedules.append(revision(id));
    await schedules.take(entry(id, [started(id, START + HOUR, START)]));
    return {
      id,
      schedule: { revision: 1, idle: false, sinceMs: START, newestTickMs: START + HOUR },
    };
  }

  it('refuses a tick without its instance, and an instance without its tick', async () => {
    const { id } = await schedule();
    const tickMs = START + 2 * HOUR;
    const startedTick = (instanceId: string) =>
      app.query(
        `insert into leasehold.ticks (schedule_id, tick, revision, outcome, instance_id)
           values ($1, $2, 1, 'started', $3)`,
        [id, new Date(tickMs).toISOString(), instanceId],
      );
    expect(await codeOf(startedTick('nobody'))).toBe('23503');
    expect(await codeOf(startedTick(`${id}-${START + HOUR}`))).toBe('23503');
    const instance = (over: { schedule?: string | null; tick?: number | null; parent?: string }) =>
      app.query(
        `insert into leasehold.instances
             (instance_id, runbook_id, version, agent_id, unattended, schedule_id, tick, parent_instance_id)
           values ($1, 'refund', 1, 'ann', true, $2, $3, $4)`,
        [
          freshId(),
          over.schedule === undefined ? id : over.schedule,
          over.tick === null ? null : new Date(over.tick ?? tickMs).toISOString(),
          over.parent ?? null,
        ],
      );
    expect(await codeOf(instance({}))).toBe('23503');
    // That tick has its instance already.
    expect(await codeOf(instance({ tick: START + HOUR }))).toBe('23505');
    expect(await codeOf(instance({ tick: null }))).toBe('23514');
    expect(await codeOf(instance({ schedule: null }))).toBe('23514');
  });

  it('admits what the rule in the source admits, and refuses the rest with its code', async () => {
    const { id, schedule: initial } = await schedule();
    const client = await connect(database.appUrl);
    const seen = new Map<string, number>();
    const offset = fc.constantFrom(-2, -1, 0, 1, 1, 1, 1, 2, 3);
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          tick: offset,
          // Undefined: not said.
          after: fc.option(fc.constantFrom(0, 0, 0, -1, 1), { nil: undefined }),
          from: fc.option(fc.constantFrom(-1, 0, 1, 1, 2), { nil: undefined }),
          revision: fc.constantFrom(0, 0, 0, 0, -1, 1),
          outcome: fc.constantFrom(...TICK_OUTCOMES.filter((outcome) => outcome !== 'started')),
          future: fc.constantFrom(false, false, false, true),
          change: fc.constantFrom('none', 'none', 'none', 'revise', 'pause', 'delete', 'later'),
        }),
        async (recipe) => {
          await client.query('begin');
          try {
            const ruled = { ...initial };
            if (recipe.change !== 'none') {
              ruled.revision = 2;
              ruled.idle = recipe.change === 'pause' || recipe.change === 'delete';
              ruled.sinceMs = START + (recipe.change === 'later' ? 2 : 1) * HOUR;
              await client.query(
                `insert into leasehold.schedules
                     (schedule_id, revision, runbook_id, every, paused, deleted, since, agent_id)
                   values ($1, 2, 'refund', '1h', $2, $3, $4, 'ann')`,
                [
                  id,
                  recipe.change === 'pause',
                  recipe.change === 'delete',
                  new Date(ruled.sinceMs),
                ],
              );
            }
            const basisMs = Math.max(ruled.sinceMs, ruled.newestTickMs ?? 0);
            const nowMs = Date.now();
            const tick: RuledTick = {
              tickMs: recipe.future
                ? Math.floor(nowMs / HOUR + 2) * HOUR
                : basisMs + recipe.tick * HOUR,
              revision: ruled.revision + recipe.revision,
              afterMs: recipe.after === undefined ? undefined : basisMs + recipe.after * HOUR,
              fromMs: recipe.from === undefined ? undefined : basisMs + recipe.from * HOUR,
              outcome: recipe.outcome,
            };
            const expected =
              tick.tickMs === START + HOUR
                ? '23505'
                : (tickBreach(ruled, tick, nowMs)?.code ?? 'ok');
            const code = await codeOf(insertTick(client, id, tick));
            expect({ recipe, code }).toEqual({ recipe, code: expected });
            seen.set(code, (seen.get(code) ?? 0) + 1);
          } finally {
            await client.query('rollback');
          }
        },
      ),
      { numRuns: 400 },
    );
    for (const code of ['ok', 'LH003', 'LH006', '23505'])
      expect(seen.get(code) ?? 0, `ticks that ended with ${code}`).toBeGreaterThan(15);
    expect(
      await codeOf(
        insertTick(app, freshId('none'), {
          tickMs: START,
          revision: 1,
          afterMs: undefined,
          fromMs: undefined,
          outcome: 'skipped',
        }),
      ),
    ).toBe('23503');
  });

  it('lets nobody change a tick or a revision, and refuses what no column may hold', async () => {
    const { id } = await schedule();
    const owner = await connect(database.ownerUrl);
    for (const table of ['schedules', 'ticks']) {
      const where = `where schedule_id = '${id}'`;
      expect(await codeOf(owner.query(`update leasehold.${table} set revision = 9 ${where}`))).toBe(
        'LH004',
      );
      expect(await codeOf(owner.query(`delete from leasehold.${table} ${where}`))).toBe('LH004');
      expect(await codeOf(owner.query(`truncate leasehold.${table}`))).toBe('LH004');
      expect(await codeOf(app.query(`delete from leasehold.${table} ${where}`))).toBe('42501');
    }
    const tick = { revision: 1, afterMs: undefined, fromMs: undefined };
    const next = START + 2 * HOUR;
    expect(
      await codeOf(insertTick(app, id, { ...tick, tickMs: next + 500, outcome: 'skipped' })),
    ).toBe('23514');
    expect(await codeOf(insertTick(app, id, { ...tick, tickMs: next, outcome: 'perhaps' }))).toBe(
      '23514',
    );
    expect(await codeOf(insertTick(app, id, { ...tick, tickMs: next, outcome: 'started' }))).toBe(
      '23514',
    );
  });

  it('refuses revisions with a gap, from the future, or before a tick that is there', async () => {
    const { id } = await schedule();
    const { schedules } = log(database);
    const revise = (over: Partial<NewScheduleRevision>) => schedules.append(revision(id, over));
    expect(await revise({ revision: 3 })).toBe('moved');
    expect(await revise({ revision: 2, sinceMs: START })).toBe('moved');
    expect(await revise({ revision: 2, sinceMs: Date.now() + HOUR })).toBe('moved');
    expect(await revise({ revision: 2, sinceMs: START + HOUR })).toBe('appended');
    expect(await revise({ revision: 3, sinceMs: START + HOUR - 1 })).toBe('moved');
  });
});
