import { describe, expect, it } from 'vitest';

import type { AppendEntry, Projection, Unsettled } from '../../../../advancer/log/log.ts';
import { rebuildProjection } from '../../../../advancer/log/rebuild.ts';
import type { NewRow } from '../../../../src/execution/row.ts';
import {
  RUNBOOK,
  connect,
  entryOf,
  freshId,
  insertRow,
  logWithRunbook,
  newInstance,
  newRow,
  receiptEntry,
  waitForBlocked,
} from './fixture.ts';

describe('the projection', () => {
  const running: Projection = { status: 'running', nextCellId: 'a' };
  const lineless = (row: NewRow): AppendEntry => entryOf([row], { projection: undefined });

  it('starts as ready and follows each append, but never goes back', async () => {
    const { replica } = await logWithRunbook();
    const instance = newInstance();
    const id = instance.instanceId;
    await replica.startInstance(instance);
    expect(await replica.list({ limit: 10 })).toMatchObject([
      {
        instanceId: id,
        runbookId: 'refund',
        version: 1,
        status: 'ready',
        nextCellId: null,
        lastSeq: 0,
      },
    ]);
    await replica.append(entryOf([newRow(id, 1, 'started')], { projection: running }));
    await replica.append(
      entryOf([newRow(id, 2, 'completed')], {
        projection: { status: 'completed', nextCellId: null },
      }),
    );
    expect(await replica.list({ limit: 10 })).toMatchObject([
      { status: 'completed', lastSeq: 2, nextCellId: null },
    ]);
    await replica.putProjection(id, 1, running);
    expect(await replica.list({ limit: 10 })).toMatchObject([{ status: 'completed', lastSeq: 2 }]);
    await replica.append(
      receiptEntry(id, freshId('q'), 2, { projection: { status: 'parked', nextCellId: 'z' } }),
    );
    expect(await replica.list({ limit: 10 })).toMatchObject([
      { status: 'parked', lastSeq: 2, nextCellId: 'z' },
    ]);
  });

  it('may be written later than the append, and still never goes back', async () => {
    const { replica } = await logWithRunbook();
    const [id, other] = ['i1', 'i2'];
    for (const instanceId of [id, other]) await replica.startInstance(newInstance({ instanceId }));
    const line = async (): Promise<unknown> => (await replica.list({ limit: 1 }))[0];
    await replica.append(entryOf([newRow(id, 1, 'started')], { projection: running }));
    await replica.append(entryOf([newRow(id, 2, 'completed')], { projection: undefined }));
    expect(await line()).toMatchObject({ status: 'running', lastSeq: 1 });
    // Together with an entry that writes its line, in one statement.
    await Promise.all([
      replica.append(
        entryOf([newRow(id, 3, 'started', { cellId: 'b' })], {
          projection: { status: 'running', nextCellId: 'b' },
        }),
      ),
      replica.append(entryOf([newRow(other, 1, 'started')], { projection: undefined })),
    ]);
    const ready: Projection = { status: 'ready', nextCellId: 'b' };
    await replica.project([{ instanceId: id, lastSeq: 2, projection: ready }]);
    expect(await line()).toMatchObject({ status: 'running', lastSeq: 3 });
    await replica.project([
      { instanceId: other, lastSeq: 1, projection: running },
      { instanceId: id, lastSeq: 4, projection: ready },
    ]);
    expect(await line()).toMatchObject({ status: 'ready', lastSeq: 4, nextCellId: 'b' });
    expect(await replica.list({ limit: 10, status: 'running' })).toMatchObject([
      { instanceId: other },
    ]);
  });

  it('is listed by status, runbook and page', async () => {
    const { replica } = await logWithRunbook();
    await replica.pushRunbook({ ...RUNBOOK, runbook: 'other' });
    for (const [instanceId, runbookId] of [
      ['i1', 'refund'],
      ['i2', 'other'],
      ['i3', 'refund'],
      ['i4', 'refund'],
    ] as const) {
      await replica.startInstance(newInstance({ instanceId, runbookId }));
    }
    await replica.append(entryOf([newRow('i3', 1, 'started')], { projection: running }));
    const ids = async (filter: Parameters<typeof replica.list>[0]): Promise<string[]> =>
      (await replica.list(filter)).map((one) => one.instanceId);
    expect(await ids({ limit: 10 })).toEqual(['i1', 'i2', 'i3', 'i4']);
    expect(await ids({ limit: 2, after: 'i1' })).toEqual(['i2', 'i3']);
    expect(await ids({ limit: 10, runbookId: 'refund' })).toEqual(['i1', 'i3', 'i4']);
    expect(await ids({ limit: 10, runbookId: 'refund', status: 'ready', after: 'i1' })).toEqual([
      'i4',
    ]);
    expect(await ids({ limit: 10, status: 'running' })).toEqual(['i3']);
  });

  it('lists unsettled instances without recent rows, oldest first', async () => {
    const { replica } = await logWithRunbook();
    for (const instanceId of ['i1', 'i2', 'i3'])
      await replica.startInstance(newInstance({ instanceId }));
    await replica.append(entryOf([newRow('i3', 1, 'started')], { projection: running }));
    await replica.append(
      entryOf([newRow('i1', 1, 'started')], {
        projection: { status: 'in_doubt', nextCellId: 'a' },
      }),
    );
    await replica.append(
      entryOf([newRow('i2', 1, 'satisfied')], {
        projection: { status: 'halted', nextCellId: null },
      }),
    );
    const ids = async (limit: number, after?: Unsettled): Promise<string[]> =>
      (await replica.unsettled(limit, 0, after)).map(({ instanceId }) => instanceId);
    expect(await ids(10)).toEqual(['i3', 'i1']);
    expect(await ids(1)).toEqual(['i3']);
    const [first] = await replica.unsettled(1, 0);
    expect(await ids(10, first)).toEqual(['i1']);
    expect(await replica.unsettled(10, 3_600_000)).toEqual([]);
  });

  it('says running for an intent that was written without a line, even after a replica found the instance at rest', async () => {
    const { database, replica } = await logWithRunbook();
    const client = await connect(database.appUrl);
    const instance = newInstance();
    const id = instance.instanceId;
    await replica.startInstance(instance);
    const ready: Projection = { status: 'ready', nextCellId: 'b' };
    const outcomeAndIntent = (seq: number, done: string, next: string): Promise<unknown> =>
      client.query(
        `insert into leasehold.executions (instance_id, seq, fencing_token, replica_id, kind, cell_id)
           values ($1, $2, 10, 'r', 'completed', $3), ($1, $2 + 1, 10, 'r', 'started', $4)`,
        [id, seq, done, next],
      );
    await replica.append(entryOf([newRow(id, 1, 'started')], { projection: running }));
    await replica.append(lineless(newRow(id, 2, 'completed')));
    await replica.append(lineless(newRow(id, 3, 'started', { cellId: 'b' })));
    expect(await replica.list({ limit: 10 })).toMatchObject([{ status: 'running', lastSeq: 1 }]);
    await replica.append(lineless(newRow(id, 4, 'completed', { cellId: 'b' })));
    await replica.project([{ instanceId: id, lastSeq: 4, projection: ready }]);
    expect(await replica.list({ limit: 10 })).toMatchObject([{ status: 'ready', lastSeq: 4 }]);
    await replica.append(lineless(newRow(id, 5, 'started', { cellId: 'c' })));
    expect(await replica.list({ limit: 10 })).toMatchObject([
      { status: 'running', lastSeq: 5, nextCellId: 'c' },
    ]);
    // Written by any client, also in a statement with several rows.
    await outcomeAndIntent(6, 'c', 'd');
    expect(await replica.list({ limit: 10 })).toMatchObject([{ status: 'running', lastSeq: 5 }]);
    await replica.project([{ instanceId: id, lastSeq: 7, projection: ready }]);
    await outcomeAndIntent(8, 'd', 'e');
    expect(await replica.list({ limit: 10 })).toMatchObject([
      { status: 'running', lastSeq: 9, nextCellId: 'e' },
    ]);
  });

  it('of an instance at rest does not wait for a writer that appends to it, nor overwrite its result', async () => {
    const { database, replica } = await logWithRunbook();
    const other = await connect(database.appUrl);
    const watcher = await connect(database.superuserUrl);
    const [one, two] = ['i1', 'i2'];
    for (const instanceId of [one, two]) {
      await replica.startInstance(newInstance({ instanceId }));
      await replica.append(entryOf([newRow(instanceId, 1, 'started')], { projection: running }));
      await replica.append(lineless(newRow(instanceId, 2, 'completed')));
    }
    const ready: Projection = { status: 'ready', nextCellId: 'b' };
    const lines = [one, two].map((instanceId) => ({ instanceId, lastSeq: 2, projection: ready }));
    await other.query('begin');
    await insertRow(other, newRow(one, 3, 'started', { cellId: 'b' }));
    await replica.project(lines);
    expect(await replica.list({ limit: 10 })).toMatchObject([
      { instanceId: one, status: 'running', lastSeq: 1 },
      { instanceId: two, status: 'ready', lastSeq: 2 },
    ]);
    // A rebuild of the line waits, and finds that the log has moved on.
    const rebuilt = replica.putProjection(one, 2, ready);
    await waitForBlocked(watcher);
    await other.query('commit');
    await rebuilt;
    await replica.project(lines);
    expect(await replica.list({ limit: 1 })).toMatchObject([{ status: 'running', lastSeq: 1 }]);
    // The other way round: the intent waits, and then sees the line.
    await other.query('begin');
    await other.query(`select leasehold_projection.rebuild_line($1, 'ready', 'b', 2)`, [two]);
    const intent = replica.append(lineless(newRow(two, 3, 'started', { cellId: 'b' })));
    await waitForBlocked(watcher);
    await other.query('commit');
    expect(await intent).toMatchObject({ kind: 'appended' });
    expect((await replica.list({ limit: 10 })).at(-1)).toMatchObject({
      status: 'running',
      lastSeq: 3,
    });
  });

  it('can be deleted and rebuilt from the log', async () => {
    const { database, replica } = await logWithRunbook();
    const owner = await connect(database.ownerUrl);
    const ids = Array.from({ length: 7 }, (_, n) => `i${n}`);
    for (const instanceId of ids) await replica.startInstance(newInstance({ instanceId }));
    for (const id of ids.slice(3))
      await replica.append(entryOf([newRow(id, 1, 'started')], { projection: running }));
    const before = await replica.list({ limit: 10 });
    // Half of the lines are lost, and the others claim to be ahead of the log.
    await owner.query(`delete from leasehold_projection.instances where instance_id < 'i4'`);
    await owner.query(`update leasehold_projection.instances set last_seq = 99, status = 'halted'`);
    const derive = ({ rows }: { rows: unknown[] }): Projection =>
      rows.length > 0 ? running : { status: 'ready', nextCellId: null };
    expect(await rebuildProjection(replica, derive)).toBe(7);
    const after = await replica.list({ limit: 10 });
    const facts = (list: typeof after): unknown[] => list.map((one) => ({ ...one, updatedAt: '' }));
    expect(facts(after)).toEqual(facts(before));
  });
});
