import { beforeAll, describe, expect, it } from 'vitest';

import type {
  AppendEntry,
  Instance,
  LateOutcome,
  Projection,
  Unsettled,
} from '../../../../advancer/log/log.ts';
import { rebuildProjection } from '../../../../advancer/log/rebuild.ts';
import type { NewRow } from '../../../../src/execution/row.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';
import {
  RUNBOOK,
  connect,
  entryOf,
  freshId,
  insertRow,
  log,
  logDatabase,
  newRow,
  receiptEntry,
  waitForBlocked,
} from './fixture.ts';
import type { LogDatabase } from './fixture.ts';

let database: LogDatabase;

beforeAll(async () => {
  database = await logDatabase();
});

function newInstance(over: Partial<Instance> = {}): Instance {
  return {
    instanceId: freshId(),
    runbookId: RUNBOOK.runbook,
    version: 1,
    inputs: { n: 1 },
    agentId: 'me',
    ...over,
  };
}

describe('runbooks', () => {
  it('are stored once; pushing the same again has no effect, other content is a conflict', async () => {
    const replica = log(database);
    const runbook: Runbook = {
      runbook: freshId('book'),
      version: 2,
      inputs: ['order'],
      cells: [{ id: 'a', exec: { command: ['true'] } }],
    };
    expect(await replica.pushRunbook(runbook)).toBe('created');
    expect(await replica.pushRunbook(structuredClone(runbook))).toBe('exists');
    expect(await replica.pushRunbook({ ...runbook, inputs: ['other'] })).toBe('conflict');
    expect(await replica.pushRunbook({ ...runbook, cells: [{ id: 'b', prose: '' }] })).toBe(
      'conflict',
    );
    expect(await replica.runbook(runbook.runbook, 2)).toEqual(runbook);
    expect(await replica.runbook(runbook.runbook, 1)).toBeUndefined();
    expect(await replica.runbook('none')).toBeUndefined();
  });

  it('are read as the newest version when none is named, and listed newest first', async () => {
    const replica = log(database);
    const runbook = freshId('book');
    for (const version of [1, 10, 9]) await replica.pushRunbook({ ...RUNBOOK, runbook, version });
    expect((await replica.runbook(runbook))?.version).toBe(10);
    const listed = (await replica.runbooks()).filter((one) => one.runbookId === runbook);
    expect(listed.map((one) => one.version)).toEqual([10, 9, 1]);
    expect(listed[0]!.digest).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('instances', () => {
  it('are pinned by the first start, at any concurrency', async () => {
    const replica = log(database);
    await replica.pushRunbook(RUNBOOK);
    const instance = newInstance();
    const answers = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((n) => replica.startInstance({ ...instance, inputs: { n } })),
    );
    const created = answers.filter((answer) => answer.created);
    expect(created).toHaveLength(1);
    for (const answer of answers) expect(answer.instance).toEqual(created[0]!.instance);
    expect(await replica.instance(instance.instanceId)).toEqual(created[0]!.instance);
    expect(await replica.instance('none')).toBeUndefined();
  });

  it('cannot be started on a runbook that does not exist', async () => {
    const replica = log(database);
    await expect(replica.startInstance(newInstance({ runbookId: 'none' }))).rejects.toThrow(
      /none version 1/,
    );
  });

  it('are read with their runbook and rows in one snapshot', async () => {
    const replica = log(database);
    await replica.pushRunbook(RUNBOOK);
    const instance = newInstance();
    expect(await replica.snapshot(instance.instanceId)).toBeUndefined();
    await replica.startInstance(instance);
    expect(await replica.snapshot(instance.instanceId)).toEqual({
      instance,
      runbook: RUNBOOK,
      rows: [],
    });
    const body = { output: { list: [1, 2, { deep: 'ü' }] } };
    await replica.append(entryOf([newRow(instance.instanceId, 1, 'started')]));
    await replica.append(entryOf([newRow(instance.instanceId, 2, 'completed', { body })]));
    const snapshot = await replica.snapshot(instance.instanceId);
    expect(snapshot!.rows).toEqual(await replica.rowsAfter(instance.instanceId, 0));
    expect(snapshot!.rows[1]).toMatchObject({ seq: 2, fencingToken: 10, kind: 'completed', body });
  });
});

describe('claims', () => {
  it('get consecutive revisions, also when many are made at once; the newest counts', async () => {
    const replica = log(database);
    const claimId = freshId('claim');
    expect(await replica.claimStatus(claimId)).toBeUndefined();
    const made = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        replica.claim({
          claimId,
          status: `s${n}`,
          agentId: 'me',
          evidence: n === 0 ? null : { n },
        }),
      ),
    );
    const revisions = made.map((claim) => claim.revision).sort((a, b) => a - b);
    expect(revisions).toEqual(Array.from({ length: 12 }, (_, n) => n + 1));
    const newest = made.find((claim) => claim.revision === 12);
    expect(await replica.claimStatus(claimId)).toEqual(newest);
  });
});

describe('evidence', () => {
  it('of a fenced holder is stored once per kind, oldest first', async () => {
    const replica = log(database);
    const late: LateOutcome = {
      instanceId: freshId(),
      cellId: 'a',
      attempt: 2,
      fencingToken: 7,
      replicaId: 'r-1',
      kind: 'completed',
      body: { output: { ok: true } },
    };
    await replica.addLateOutcome(late);
    await replica.addLateOutcome(late);
    await replica.addLateOutcome({ ...late, kind: 'not_started', body: {} });
    await replica.addLateOutcome({ ...late, attempt: 3 });
    expect(await replica.lateOutcomes(late.instanceId, 'a', 2)).toEqual([
      late,
      { ...late, kind: 'not_started', body: {} },
    ]);
    expect(await replica.lateOutcomes(late.instanceId, 'b', 2)).toEqual([]);
  });

  it('of a refused write is stored', async () => {
    const replica = log(database);
    const app = await connect(database.appUrl);
    const refusal = {
      instanceId: freshId(),
      seq: 3,
      fencingToken: 7,
      replicaId: 'r-1',
      kind: 'completed',
      reason: 'fenced',
    };
    await replica.addRefusal(refusal);
    const { rows } = await app.query(
      'select seq::int, fencing_token::int, replica_id, kind, reason from leasehold.refusals where instance_id = $1',
      [refusal.instanceId],
    );
    expect(rows).toEqual([
      { seq: 3, fencing_token: 7, replica_id: 'r-1', kind: 'completed', reason: 'fenced' },
    ]);
  });
});

it('the highest token is that of any row or receipt', async () => {
  const own = await logDatabase();
  const replica = log(own);
  expect(await replica.highestToken()).toBe(0);
  await replica.append(entryOf([newRow(freshId(), 1, 'started', { fencingToken: 41 })]));
  await replica.append(entryOf([newRow(freshId(), 1, 'started', { fencingToken: 7 })]));
  expect(await replica.highestToken()).toBe(41);
  await replica.append(receiptEntry(freshId(), freshId('q'), 0, { fencingToken: 5_000_000_000 }));
  expect(await replica.highestToken()).toBe(5_000_000_000);
  // A receipt that comes with rows has the token of the last of them: only the others are kept to
  // be found by it.
  const id = freshId();
  const over = { fencingToken: 6_000_000_000 };
  const rows = [
    newRow(id, 1, 'satisfied', over),
    newRow(id, 2, 'satisfied', { ...over, cellId: 'b' }),
  ];
  for (const some of [rows.slice(0, 1), rows.slice(1)])
    await replica.append(receiptEntry(id, freshId('q'), some[0]!.seq, { ...over, rows: some }));
  await replica.append(
    receiptEntry(freshId(), freshId('q'), 2, {
      rows: rows.map((row) => ({ ...row, instanceId: 'both' })),
      instanceId: 'both',
      ...over,
    }),
  );
  expect(await replica.highestToken()).toBe(6_000_000_000);
  const owner = await connect(own.ownerUrl);
  const alone = await owner.query(
    'select fencing_token from leasehold.requests where not with_rows',
  );
  expect(alone.rows).toEqual([{ fencing_token: '5000000000' }]);
});

it('instances are looked up by their keys, however much the tables have grown since the first query', async () => {
  const own = await logDatabase();
  const [reads, owner] = [log(own), await connect(own.ownerUrl)];
  await reads.pushRunbook(RUNBOOK);
  const start = (from: number, to: number): Promise<unknown> =>
    owner.query(
      `insert into leasehold.instances (instance_id, runbook_id, version, agent_id)
         select 'i' || n, 'refund', 1, 'tester' from generate_series($1::int, $2::int) n`,
      [from, to],
    );
  // Together, and often enough on each connection for a plan that is kept.
  const look = async (from: number): Promise<void> => {
    for (let turn = 0; turn < 60; turn += 1) {
      await Promise.all(
        Array.from({ length: 100 }, (_, nth) => reads.snapshot(`i${from + nth}`, `q-${nth}`)),
      );
    }
  };
  const scanned = async (): Promise<number> => {
    for (let [before, now] = [-2, -1]; ; before = now) {
      const { rows } = await owner.query<{ scanned: number }>(
        `select seq_tup_read::int as scanned from pg_stat_user_tables
           where schemaname = 'leasehold' and relname = 'instances'`,
      );
      now = rows[0]!.scanned;
      if (now === before) return now;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await start(1, 200);
  await look(1);
  await start(201, 3_000);
  await look(2_001);
  // Closing writes down what the connections have counted.
  await reads.close();
  expect(await scanned()).toBe(0);
});

describe('the projection', () => {
  const running: Projection = { status: 'running', nextCellId: 'a' };
  const lineless = (row: NewRow): AppendEntry => entryOf([row], { projection: undefined });

  it('begins as ready and follows each append, but never backwards', async () => {
    const own = await logDatabase();
    const replica = log(own);
    await replica.pushRunbook(RUNBOOK);
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
    const replica = log(await logDatabase());
    await replica.pushRunbook(RUNBOOK);
    const [id, other] = ['i1', 'i2'];
    for (const instanceId of [id, other]) await replica.startInstance(newInstance({ instanceId }));
    const line = async (): Promise<unknown> => (await replica.list({ limit: 1 }))[0];
    await replica.append(entryOf([newRow(id, 1, 'started')], { projection: running }));
    await replica.append(entryOf([newRow(id, 2, 'completed')], { projection: undefined }));
    expect(await line()).toMatchObject({ status: 'running', lastSeq: 1 });
    // With one that writes its line, in one statement.
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
    const replica = log(await logDatabase());
    await replica.pushRunbook(RUNBOOK);
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

  it('lists what is unsettled and quiet, oldest first', async () => {
    const replica = log(await logDatabase());
    await replica.pushRunbook(RUNBOOK);
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

  it('says running for an intent that came without a line, even after a replica found the instance at rest', async () => {
    const own = await logDatabase();
    const [replica, client] = [log(own), await connect(own.appUrl)];
    await replica.pushRunbook(RUNBOOK);
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
    // By any client, and where a statement has more rows than one.
    await outcomeAndIntent(6, 'c', 'd');
    expect(await replica.list({ limit: 10 })).toMatchObject([{ status: 'running', lastSeq: 5 }]);
    await replica.project([{ instanceId: id, lastSeq: 7, projection: ready }]);
    await outcomeAndIntent(8, 'd', 'e');
    expect(await replica.list({ limit: 10 })).toMatchObject([
      { status: 'running', lastSeq: 9, nextCellId: 'e' },
    ]);
  });

  it('of an instance at rest does not wait for a writer that appends to it, nor overwrite its result', async () => {
    const own = await logDatabase();
    const [replica, other] = [log(own), await connect(own.appUrl)];
    const watcher = await connect(own.superuserUrl);
    await replica.pushRunbook(RUNBOOK);
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

  it('can be thrown away and rebuilt from the log', async () => {
    const own = await logDatabase();
    const replica = log(own);
    const owner = await connect(own.ownerUrl);
    await replica.pushRunbook(RUNBOOK);
    const ids = Array.from({ length: 7 }, (_, n) => `i${n}`);
    for (const instanceId of ids) await replica.startInstance(newInstance({ instanceId }));
    for (const id of ids.slice(3))
      await replica.append(entryOf([newRow(id, 1, 'started')], { projection: running }));
    const before = await replica.list({ limit: 10 });
    // One half is lost, and the other claims to be ahead of the log.
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
