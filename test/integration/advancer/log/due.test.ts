import { describe, expect, it } from 'vitest';

import type { Projection } from '../../../../advancer/log/log.ts';
import type { PostgresLog } from '../../../../advancer/log/postgres-log.ts';
import type { RowKind } from '../../../../src/execution/row.ts';
import {
  claimed,
  isDue,
  lineOf,
  park,
  parkable,
  parkedOn,
  waitingFor,
  wakesOf,
} from './due-fixture.ts';
import {
  RUNBOOK,
  connect,
  databaseOfFile,
  entryOf,
  freshId,
  log,
  newInstance,
  newRow,
  receiptEntry,
  waitForBlocked,
} from './fixture.ts';

const database = databaseOfFile();

async function opened(): Promise<PostgresLog> {
  const replica = log(database);
  await replica.pushRunbook(RUNBOOK);
  return replica;
}

describe('the line of an unattended instance', () => {
  it('is there from the start, whichever client starts it, and an attended instance has none', async () => {
    const replica = await opened();
    const client = await connect(database.appUrl);
    const [unattended, attended, children] = [freshId(), freshId(), freshId()];
    for (const [id, value] of [
      [unattended, true],
      [attended, false],
    ] as const) {
      await client.query(
        `insert into leasehold.instances (instance_id, runbook_id, version, agent_id, unattended)
           values ($1, 'refund', 1, 'sql', $2)`,
        [id, value],
      );
    }
    expect(await isDue(replica, unattended)).toBe(true);
    expect(await isDue(replica, attended)).toBe(false);
    expect(await replica.instance(unattended)).toMatchObject({ unattended: true });
    // Children are unattended, whatever the parent is.
    const parent = newInstance();
    await replica.startInstance(parent);
    await replica.children.start({
      parentId: parent.instanceId,
      cellId: 'all',
      attempt: 1,
      seq: 0,
      fencingToken: 10,
      runbookId: 'refund',
      version: 1,
      children: [{ n: null, instanceId: children, otherId: freshId(), inputs: {} }],
    });
    expect(await replica.instance(children)).toMatchObject({ unattended: true });
    expect(await isDue(replica, children)).toBe(true);
  });

  it('is written with the append that leaves it at rest, and goes when it has ended', async () => {
    const replica = await opened();
    const client = await connect(database.appUrl);
    const { instanceId } = await parkable(replica);
    const append = (seq: number, kind: RowKind, projection: Projection) =>
      replica.append(entryOf([newRow(instanceId, seq, kind)], { projection }));
    await append(1, 'started', { status: 'running', nextCellId: 'a', rest: {} });
    expect(await isDue(replica, instanceId)).toBe(false);
    const at = { iso: '2001-01-31T12:00:00.000001Z' };
    await append(2, 'completed', { status: 'parked', nextCellId: 'b', rest: { at } });
    const { due } = await replica.due.find(10_000);
    // Long overdue, so it is first.
    expect(due[0]).toMatchObject({ instanceId, since: expect.stringContaining('00.000001') });
    // A line that was read earlier comes too late.
    await replica.due.put([{ instanceId, lastSeq: 1, rest: {} }]);
    expect(await lineOf(client, instanceId)).toMatchObject({ last_seq: '2' });
    await replica.append(
      receiptEntry(instanceId, freshId('q'), 2, {
        projection: { status: 'completed', nextCellId: null, rest: 'ended' },
      }),
    );
    expect(await lineOf(client, instanceId)).toBeUndefined();
  });

  it('is written late together with the line of the list, and by a rebuild', async () => {
    const replica = await opened();
    const client = await connect(database.appUrl);
    const { instanceId, claimId } = await parkable(replica);
    const projection: Projection = { status: 'ready', nextCellId: 'a', rest: {} };
    await replica.project([{ instanceId, lastSeq: 0, projection }]);
    expect(await isDue(replica, instanceId)).toBe(false);
    await replica.putProjection(instanceId, 0, parkedOn(waitingFor(claimId)));
    expect(await lineOf(client, instanceId)).toMatchObject({ claim_id: claimId, in_ms: null });
    const soon: Projection = { ...projection, rest: { at: { afterMs: 60_000 } } };
    await replica.project([{ instanceId, lastSeq: 0, projection: soon }]);
    expect((await lineOf(client, instanceId))?.in_ms).toBeGreaterThan(30_000);
  });
});

describe('a claim', () => {
  it('is noted once, by any client, if somebody waits for it with this status', async () => {
    const replica = await opened();
    const client = await connect(database.appUrl);
    const claimId = freshId('c');
    const ids = await Promise.all(
      Array.from({ length: 3 }, async () => (await parkable(replica)).instanceId),
    );
    await replica.claim({ claimId, status: 'open', agentId: 'early', evidence: null });
    expect(await wakesOf(replica, claimId)).toEqual([]);
    for (const id of ids) await park(replica, id, waitingFor(claimId, 1));
    await claimed(client, claimId, 'closed', 2);
    expect(await wakesOf(replica, claimId)).toEqual([]);
    await claimed(client, claimId, 'ajar', 3);
    const [wake, ...more] = await wakesOf(replica, claimId);
    expect(wake).toMatchObject({ kind: 'claim', revision: 3, status: 'ajar' });
    expect(more).toEqual([]);
    expect(await replica.due.woken(wake!, 2)).toEqual(ids.toSorted().slice(0, 2));
    expect(await replica.due.woken(wake!, 9, ids.toSorted()[1])).toEqual([ids.toSorted()[2]]);
    // Forgotten only once nobody waits for it any more.
    await replica.due.forgetServed([wake!.wakeId]);
    expect(await wakesOf(replica, claimId)).toHaveLength(1);
    for (const id of ids) await replica.due.put([{ instanceId: id, lastSeq: 0, rest: {} }]);
    await replica.due.forgetServed([wake!.wakeId]);
    expect(await wakesOf(replica, claimId)).toEqual([]);
  });

  it('that was made after it was read and before the instance was parked makes it due', async () => {
    const replica = await opened();
    const { instanceId, claimId } = await parkable(replica);
    await claimed(await connect(database.appUrl), claimId, 'open');
    expect(await wakesOf(replica, claimId)).toEqual([]);
    await park(replica, instanceId, waitingFor(claimId));
    expect(await isDue(replica, instanceId)).toBe(true);
  });

  it('that is not committed yet delays no append, and the instance is looked at again soon', async () => {
    const replica = await opened();
    const client = await connect(database.appUrl);
    const other = await connect(database.appUrl);
    const { instanceId, claimId } = await parkable(replica);
    await client.query('begin');
    await claimed(client, claimId, 'open');
    await park(replica, instanceId, waitingFor(claimId));
    const line = await lineOf(other, instanceId);
    expect(line?.in_ms).toBeGreaterThan(0);
    expect(line?.in_ms).toBeLessThanOrEqual(1_000);
    await client.query('commit');
    // Its own note came before the line.
    expect(await wakesOf(replica, claimId)).toEqual([]);
  });

  it('that meets a line which is not committed yet waits for it, and then finds it', async () => {
    const replica = await opened();
    const client = await connect(database.appUrl);
    const parker = await connect(database.appUrl);
    const { instanceId, claimId } = await parkable(replica);
    await parker.query('begin');
    const line = { instanceId, lastSeq: 0, claimId, revision: 0, statuses: ['open'] };
    await parker.query('select leasehold_projection.put_unattended($1::jsonb)', [
      JSON.stringify([line]),
    ]);
    const made = claimed(client, claimId, 'open');
    await waitForBlocked(parker);
    await parker.query('commit');
    await made;
    expect(await isDue(replica, instanceId)).toBe(false);
    expect(await wakesOf(replica, claimId)).toMatchObject([{ revision: 1, status: 'open' }]);
  });

  it('that is made under a frozen snapshot is noted in any case', async () => {
    const replica = await opened();
    const client = await connect(database.appUrl);
    const { instanceId, claimId } = await parkable(replica);
    await client.query('begin isolation level repeatable read');
    await client.query('select 1 from leasehold.claims limit 1');
    await park(replica, instanceId, waitingFor(claimId));
    await claimed(client, claimId, 'open');
    await client.query('commit');
    expect(await wakesOf(replica, claimId)).toHaveLength(1);
  });
});
