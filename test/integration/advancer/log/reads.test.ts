import { createHash } from 'node:crypto';

import { beforeAll, describe, expect, it } from 'vitest';

import type { LateOutcome } from '../../../../advancer/log/log.ts';
import { runbookDigest } from '../../../../advancer/log/sql/runbooks.ts';
import { canonicalJson } from '../../../../src/json.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';
import {
  RUNBOOK,
  connect,
  entryOf,
  freshId,
  log,
  logDatabase,
  newInstance,
  newRow,
  receiptEntry,
} from './fixture.ts';
import type { LogDatabase } from './fixture.ts';

let database: LogDatabase;

beforeAll(async () => {
  database = await logDatabase();
});

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

  it('keep their head: title, description, policy and the schemas of their inputs', async () => {
    const replica = log(database);
    const runbook: Runbook = {
      runbook: freshId('book'),
      version: 1,
      title: 'A title',
      description: 'More.\n',
      onHalt: 'undo',
      inputs: { order: { type: 'string' }, count: { default: 1 } },
      cells: [{ id: 'a', title: 'A', exec: { command: ['true'] }, undo: { command: ['b'] } }],
    };
    expect(await replica.pushRunbook(runbook)).toBe('created');
    expect(await replica.pushRunbook(structuredClone(runbook))).toBe('exists');
    const { title: _, ...untitled } = runbook;
    for (const other of [
      untitled,
      { ...runbook, title: 'Another' },
      { ...runbook, description: 'Less.' },
      { ...runbook, onHalt: 'hold' as const },
      { ...runbook, inputs: { order: { type: 'string' }, count: { default: 2 } } },
      { ...runbook, inputs: ['order', 'count'] },
    ])
      expect(await replica.pushRunbook(other)).toBe('conflict');
    expect(await replica.runbook(runbook.runbook)).toEqual(runbook);
    const listed = (await replica.runbooks()).find((one) => one.runbookId === runbook.runbook);
    expect(listed).toMatchObject({ version: 1, title: 'A title' });
    const instance = newInstance({ runbookId: runbook.runbook, inputs: { order: 'o', count: 1 } });
    await replica.startInstance(instance);
    expect((await replica.snapshot(instance.instanceId))?.runbook).toEqual(runbook);
  });

  it('keep the digests that they had before they had a head', async () => {
    const cells = [{ id: 'a', exec: { command: ['true'] } }];
    const before = createHash('sha256').update(canonicalJson({ cells, inputs: ['order'] }));
    expect(runbookDigest({ runbook: 'a', version: 1, inputs: ['order'], cells })).toBe(
      before.digest('hex'),
    );
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
    const recordedAt = expect.stringMatching(/\.\d{6}Z$/) as string;
    expect(await replica.snapshot(instance.instanceId)).toEqual({
      instance: { ...instance, unattended: false, recordedAt },
      runbook: RUNBOOK,
      rows: [],
      readAtMs: expect.any(Number) as number,
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
  it('get consecutive revisions, also when made at once; the newest one counts', async () => {
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

/** What a fenced holder reported of an attempt of cell `a` in a new instance. */
function lateOutcome(about: Pick<LateOutcome, 'attempt' | 'kind' | 'body'>): LateOutcome {
  return { instanceId: freshId(), cellId: 'a', fencingToken: 7, replicaId: 'r-1', ...about };
}

describe('evidence', () => {
  it('of a fenced holder is stored once per kind, oldest first, whatever others write', async () => {
    const replica = log(database);
    const late = lateOutcome({ attempt: 2, kind: 'completed', body: { output: { ok: true } } });
    await replica.addLateOutcome(late);
    await replica.addLateOutcome(late);
    const unbegun: LateOutcome = { ...late, kind: 'not_started', body: {} };
    const others = [unbegun, { ...late, replicaId: 'r-2' }, { ...late, fencingToken: 8 }];
    for (const other of others) await replica.addLateOutcome(other);
    await replica.addLateOutcome({ ...late, attempt: 3 });
    expect(await replica.lateOutcomes(late.instanceId, 'a', 2)).toEqual([late, ...others]);
    expect(await replica.lateOutcomes(late.instanceId, 'b', 2)).toEqual([]);
  });

  it('that an effect happened and its output was lost is stored, if it says so', async () => {
    const replica = log(database);
    const body = { reason: 'unverified', happened: true };
    const late = lateOutcome({ attempt: 1, kind: 'unverified', body });
    await replica.addLateOutcome(late);
    expect(await replica.lateOutcomes(late.instanceId, 'a', 1)).toEqual([late]);
    for (const other of [{}, { reason: 'crash' }])
      await expect(replica.addLateOutcome({ ...late, attempt: 2, body: other })).rejects.toThrow(
        /late_outcomes_unverified_check/,
      );
  });

  it('of a refused append is stored', async () => {
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
  expect(await replica.highestToken()).toBeUndefined();
  const first = freshId();
  await replica.append(entryOf([newRow(first, 1, 'started', { fencingToken: 41 })]));
  await replica.append(entryOf([newRow(freshId(), 1, 'started', { fencingToken: 7 })]));
  expect(await replica.highestToken()).toEqual({
    token: 41n,
    table: 'executions',
    instanceId: first,
    key: '1',
    replicaId: newRow(first, 1, 'started').replicaId,
  });
  const request = freshId('q');
  await replica.append(receiptEntry(freshId(), request, 0, { fencingToken: 5_000_000_000 }));
  expect(await replica.highestToken()).toMatchObject({
    token: 5_000_000_000n,
    table: 'requests',
    key: request,
  });
  // A receipt that comes with rows has the token of the last of them, so only the other receipts
  // are indexed by token.
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
  expect(await replica.highestToken()).toMatchObject({ token: 6_000_000_000n });
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
  // Concurrently, and often enough on each connection for a generic plan.
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
  // Closing flushes the statistics of the connections.
  await reads.close();
  expect(await scanned()).toBe(0);
});
