import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { connect, databaseOfFile, freshId, log, RUNBOOK, waitForBlocked } from './fixture.ts';
import { entry, HOUR, revision, START, started, storeRunbook } from './schedule-fixture.ts';

const database = databaseOfFile();
let app: Client;

beforeAll(async () => {
  app = new Client({ connectionString: database.appUrl });
  await app.connect();
  await storeRunbook(app);
});

afterAll(() => app.end());

async function ticksOf(scheduleId: string): Promise<number> {
  const { rows } = await app.query<{ count: string }>(
    'select count(*) from leasehold.ticks where schedule_id = $1',
    [scheduleId],
  );
  return Number(rows[0]!.count);
}

describe('the ticks of a schedule', () => {
  it('are recorded together with what they start, and found as due before', async () => {
    const replica = log(database);
    const { schedules } = replica;
    const id = freshId('s');
    expect(await schedules.state(id)).toBeUndefined();
    expect(await schedules.append(revision(id, { inputs: { at: '\u0000' }, jitter: '5s' }))).toBe(
      'appended',
    );
    expect(await schedules.append(revision(id))).toBe('moved');
    const state = await schedules.state(id);
    expect(state).toMatchObject({
      newest: { ...revision(id), jitter: '5s', inputs: { at: '\ufffd' } },
      newestTick: undefined,
    });
    expect(Math.abs((state?.nowMs ?? 0) - Date.now())).toBeLessThan(60_000);
    const due = await schedules.due(1_000);
    expect(due.schedules.map(({ newest }) => newest.scheduleId)).toContain(id);

    const ticks = [started(id, START + HOUR, START), started(id, START + 2 * HOUR, START + HOUR)];
    const inAnHour = Date.now() + HOUR;
    const taken = await schedules.take(entry(id, ticks, { nextAtMs: inAnHour }));
    expect(taken).toEqual({
      kind: 'taken',
      instanceIds: ticks.map((tick) => tick.start?.instanceId),
    });
    expect(await replica.instance(`${id}-${START + HOUR}`)).toMatchObject({
      runbookId: RUNBOOK.runbook,
      inputs: { n: 1 },
      agentId: 'ann',
      schedule: { scheduleId: id, tick: new Date(START + HOUR).toISOString().replace('.000', '') },
    });
    expect(await schedules.ticks(id, 1)).toMatchObject([
      { tickMs: START + 2 * HOUR, afterMs: START + HOUR, outcome: 'started', revision: 1 },
    ]);
    const later = await schedules.due(1_000);
    expect(later.schedules.map(({ newest }) => newest.scheduleId)).not.toContain(id);
    expect(later.nextInMs).toBeLessThanOrEqual(HOUR);
    const { rows } = await app.query(
      'select unattended from leasehold.instances where schedule_id = $1',
      [id],
    );
    expect(rows).toEqual([{ unattended: true }, { unattended: true }]);
    // The same again, as after a lost answer.
    expect(await schedules.take(entry(id, ticks))).toMatchObject({ kind: 'moved' });
    expect(await ticksOf(id)).toBe(2);
  });

  it('start an instance under its other id if the first belongs to another', async () => {
    const replica = log(database);
    const id = freshId('s');
    await replica.schedules.append(revision(id));
    const tick = started(id, START + HOUR, START);
    const own = { runbookId: RUNBOOK.runbook, version: 1, inputs: {}, agentId: 'eve' };
    await replica.startInstance({ instanceId: tick.start!.instanceId, ...own });
    expect(await replica.schedules.take(entry(id, [tick]))).toEqual({
      kind: 'taken',
      instanceIds: [tick.start?.otherId],
    });
  });

  it('say whether the instance before has ended', async () => {
    const replica = log(database);
    const id = freshId('s');
    const book = { runbookId: 'with-a-cell', version: 1 };
    await app.query(
      `insert into leasehold.runbooks (runbook_id, version, cells, inputs, digest)
         values ('with-a-cell', 1, $1, '[]', 'x') on conflict do nothing`,
      [JSON.stringify([{ id: 'a', exec: { handler: 'any' } }])],
    );
    await replica.schedules.append(revision(id, book));
    expect(await replica.schedules.running(id)).toBeUndefined();
    const tick = started(id, START + HOUR, START);
    await replica.schedules.take(entry(id, [tick], { runbookId: 'with-a-cell' }));
    const { instanceId } = tick.start!;
    expect(await replica.schedules.running(id)).toBe(instanceId);
    await app.query(
      `insert into leasehold.executions (instance_id, seq, fencing_token, replica_id, kind, cell_id, body)
         values ($1, 1, 5, 'r', 'cancelled', 'a', '{"by": "ann", "reason": "no"}')`,
      [instanceId],
    );
    expect(await replica.schedules.running(id)).toBeUndefined();
  });

  it('of two replicas that take the same tick at once, one does', async () => {
    const id = freshId('s');
    const [one, other] = [log(database), log(database)];
    await one.schedules.append(revision(id));
    const taken = await Promise.all(
      [one, other, one, other].map((replica) =>
        replica.schedules.take(entry(id, [started(id, START + HOUR, START)])),
      ),
    );
    expect(taken.map(({ kind }) => kind).sort()).toEqual(['moved', 'moved', 'moved', 'taken']);
    expect(await ticksOf(id)).toBe(1);
  });

  it('a tick that waits for a revision under way is judged under it', async () => {
    const id = freshId('s');
    const replica = log(database);
    await replica.schedules.append(revision(id));
    const rival = await connect(database.appUrl);
    await rival.query('begin');
    await rival.query(
      `insert into leasehold.schedules (schedule_id, revision, runbook_id, every, paused, agent_id)
         values ($1, 2, 'refund', '1h', true, 'ann')`,
      [id],
    );
    const taking = replica.schedules.take(entry(id, [started(id, START + HOUR, START)]));
    await waitForBlocked(app);
    await rival.query('commit');
    expect(await taking).toMatchObject({ kind: 'moved' });
    expect(await ticksOf(id)).toBe(0);
  });
});

describe('when a schedule is looked at', () => {
  it('a revision of any client brings it up, and a paused or deleted one leaves it alone', async () => {
    const id = freshId('s');
    const { schedules } = log(database);
    const isDue = async (): Promise<boolean> =>
      (await schedules.due(1_000)).schedules.some(({ newest }) => newest.scheduleId === id);
    await schedules.append(revision(id));
    expect(await isDue()).toBe(true);
    await schedules.lookAgain(id, 1, Date.now() + HOUR);
    expect(await isDue()).toBe(false);
    await schedules.append(revision(id, { revision: 2, sinceMs: START + 1 }));
    expect(await isDue()).toBe(true);
    // Of the revision before: too late.
    await schedules.lookAgain(id, 1, undefined);
    expect(await isDue()).toBe(true);
    await schedules.append(revision(id, { revision: 3, paused: true, sinceMs: START + 2 }));
    expect(await isDue()).toBe(false);
    expect((await schedules.list('', 1_000)).map(({ newest }) => newest.scheduleId)).toContain(id);
    await schedules.append(revision(id, { revision: 4, deleted: true, sinceMs: START + 3 }));
    expect(await isDue()).toBe(false);
    expect((await schedules.list('', 1_000)).map(({ newest }) => newest.scheduleId)).not.toContain(
      id,
    );
  });

  it('what the projection lacks is restored', async () => {
    const id = freshId('s');
    const { schedules } = log(database);
    await schedules.append(revision(id));
    await schedules.lookAgain(id, 1, Date.now() + HOUR);
    const superuser = await connect(database.superuserUrl);
    await superuser.query('delete from leasehold_projection.schedules where schedule_id = $1', [
      id,
    ]);
    await schedules.restoreLines();
    const isDue = async (): Promise<boolean> =>
      (await schedules.due(1_000)).schedules.some(({ newest }) => newest.scheduleId === id);
    expect(await isDue()).toBe(true);
    // A line that is wrong is restored only when all are.
    await schedules.lookAgain(id, 1, Date.now() + 9 * HOUR);
    await schedules.restoreLines();
    expect(await isDue()).toBe(false);
    await schedules.restoreLines(true);
    expect(await isDue()).toBe(true);
  });
});
