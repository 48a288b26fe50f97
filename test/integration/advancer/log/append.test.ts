import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { LogUnavailable } from '../../../../advancer/log/log.ts';
import type { AppendEntry, AppendOutcome } from '../../../../advancer/log/log.ts';
import type { PostgresLog } from '../../../../advancer/log/postgres-log.ts';
import { prepareAppends } from '../../../../advancer/log/sql/append.ts';
import { lossyProxy } from '../../../harness/lossy-proxy.ts';
import {
  connect,
  entryOf,
  freshId,
  insertRow,
  log,
  logDatabase,
  newReceipt,
  newRow,
  receiptEntry,
  waitForBlocked,
} from './fixture.ts';
import type { LogDatabase } from './fixture.ts';

let database: LogDatabase;

beforeAll(async () => {
  database = await logDatabase();
});

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

describe('appended', () => {
  it('returns the rows with their times, as a read returns them', async () => {
    const replica = log(database);
    const instanceId = freshId();
    const body = { output: { text: 'x', n: 1.5 } };
    const rows = [
      newRow(instanceId, 1, 'satisfied', { requestId: 'q1' }),
      newRow(instanceId, 2, 'started', { cellId: 'b', body }),
    ];
    const outcome = await replica.append(entryOf(rows));
    if (outcome.kind !== 'appended') throw new Error(outcome.kind);
    expect(outcome.rows).toEqual(rows.map((row) => ({ ...row, recordedAt: expect.any(String) })));
    for (const row of outcome.rows) expect(row.recordedAt).toMatch(ISO);
    expect(await replica.rowsAfter(instanceId, 0)).toEqual(outcome.rows);
    expect(await replica.rowsAfter(instanceId, 1)).toEqual(outcome.rows.slice(1));
    expect(await replica.newestRow(instanceId)).toEqual(outcome.rows[1]);
  });

  it('commits the receipt with the request’s last row', async () => {
    const replica = log(database);
    const [instanceId, requestId] = [freshId(), freshId('q')];
    const receipt = newReceipt(requestId, instanceId, {
      steps: [{ seq: 1, cellId: 'a', kind: 'satisfied', attempt: 1 }],
    });
    const outcome = await replica.append(
      entryOf([newRow(instanceId, 1, 'satisfied', { requestId })], {
        receipt: { requestId, lastSeq: 1, receipt },
      }),
    );
    expect(outcome.kind).toBe('appended');
    expect(await replica.receipt(requestId)).toEqual(receipt);
  });

  it('accepts a receipt alone, also for an instance that does not exist', async () => {
    const replica = log(database);
    const requestId = freshId('q');
    const outcome = await replica.append(
      receiptEntry(freshId(), requestId, 0, { fencingToken: 0 }),
    );
    expect(outcome).toEqual({ kind: 'appended', rows: [] });
  });

  it('stores an output that jsonb cannot hold, with the unstorable characters replaced', async () => {
    const replica = log(database);
    const instanceId = freshId();
    const body = { output: { stdout: 'a\0b\ud800c', 'k\0': 1 } };
    const outcome = await replica.append(entryOf([newRow(instanceId, 1, 'started', { body })]));
    expect(outcome.kind).toBe('appended');
    const [row] = await replica.rowsAfter(instanceId, 0);
    expect(row!.body).toEqual({ output: { stdout: 'a\ufffdb\ufffdc', 'k\ufffd': 1 } });
  });
});

describe('already_recorded', () => {
  it('is the answer to the same entry sent again, with the recorded rows', async () => {
    const replica = log(database);
    const instanceId = freshId();
    const rows = [
      newRow(instanceId, 1, 'satisfied'),
      newRow(instanceId, 2, 'started', { cellId: 'b' }),
    ];
    const first = await replica.append(entryOf(rows));
    if (first.kind !== 'appended') throw new Error(first.kind);
    expect(await replica.append(entryOf(rows))).toEqual({
      kind: 'already_recorded',
      rows: first.rows,
    });
  });

  it('is the answer even when others have gone on since', async () => {
    const replica = log(database);
    const instanceId = freshId();
    const started = entryOf([newRow(instanceId, 1, 'started')]);
    await replica.append(started);
    await replica.append(
      entryOf([
        newRow(instanceId, 2, 'interrupted', {
          fencingToken: 12,
          replicaId: 'other',
          body: { reason: 'crash' },
        }),
      ]),
    );
    expect((await replica.append(started)).kind).toBe('already_recorded');
    // The caller sees that something follows, and must not run the attempt.
    expect((await replica.rowsAfter(instanceId, 1)).map((row) => row.kind)).toEqual([
      'interrupted',
    ]);
  });

  it('covers the receipt, with rows and alone', async () => {
    const replica = log(database);
    const [instanceId, requestId, second] = [freshId(), freshId('q'), freshId('q')];
    const entry = entryOf([newRow(instanceId, 1, 'satisfied', { requestId })], {
      receipt: { requestId, lastSeq: 1, receipt: newReceipt(requestId, instanceId) },
    });
    await replica.append(entry);
    expect((await replica.append(entry)).kind).toBe('already_recorded');
    const alone = receiptEntry(instanceId, second, 1);
    await replica.append(alone);
    await replica.append(entryOf([newRow(instanceId, 2, 'started', { cellId: 'b' })]));
    expect(await replica.append(alone)).toEqual({ kind: 'already_recorded', rows: [] });
  });
});

describe('conflict', () => {
  it('is the answer when another writer with no higher token was faster', async () => {
    const replica = log(database);
    const instanceId = freshId();
    await replica.append(
      entryOf([newRow(instanceId, 1, 'started', { fencingToken: 7, replicaId: 'other' })]),
    );
    expect((await replica.append(entryOf([newRow(instanceId, 1, 'started')]))).kind).toBe(
      'conflict',
    );
  });

  it('leaves none of the entry’s rows, although the later ones would fit', async () => {
    const replica = log(database);
    const instanceId = freshId();
    await replica.append(entryOf([newRow(instanceId, 1, 'satisfied', { replicaId: 'other' })]));
    const outcome = await replica.append(
      entryOf([
        newRow(instanceId, 1, 'satisfied'),
        newRow(instanceId, 2, 'started', { cellId: 'b' }),
      ]),
    );
    expect(outcome.kind).toBe('conflict');
    expect(await replica.rowsAfter(instanceId, 0)).toHaveLength(1);
  });

  it('is the answer to a receipt that the log has overtaken', async () => {
    const replica = log(database);
    const [instanceId, requestId] = [freshId(), freshId('q')];
    await replica.append(entryOf([newRow(instanceId, 1, 'started', { replicaId: 'other' })]));
    expect((await replica.append(receiptEntry(instanceId, requestId, 0))).kind).toBe('conflict');
    expect(await replica.receipt(requestId)).toBeUndefined();
  });
});

describe('fenced', () => {
  it('names the higher token, for rows and for receipts', async () => {
    const replica = log(database);
    const instanceId = freshId();
    await replica.append(entryOf([newRow(instanceId, 1, 'satisfied', { fencingToken: 15 })]));
    const stale = newRow(instanceId, 2, 'started', { cellId: 'b' });
    expect(await replica.append(entryOf([stale]))).toMatchObject({ kind: 'fenced', by: 15 });
    expect(await replica.append(entryOf([newRow(instanceId, 1, 'started')]))).toMatchObject({
      kind: 'fenced',
      by: 15,
    });
    expect(await replica.append(receiptEntry(instanceId, freshId('q'), 1))).toMatchObject({
      kind: 'fenced',
      by: 15,
    });
    expect(await replica.rowsAfter(instanceId, 0)).toHaveLength(1);
  });
});

describe('receipted', () => {
  it('is the answer to what would begin under an answered request, and to a second receipt', async () => {
    const replica = log(database);
    const [instanceId, requestId] = [freshId(), freshId('q')];
    await replica.append(receiptEntry(instanceId, requestId, 0));
    const stored = newReceipt(requestId, instanceId);
    const started = entryOf([newRow(instanceId, 1, 'started', { requestId })]);
    expect(await replica.append(started)).toEqual({ kind: 'receipted', receipt: stored });
    const other = receiptEntry(instanceId, requestId, 0, {
      receipt: {
        requestId,
        lastSeq: 0,
        receipt: newReceipt(requestId, instanceId, { outcome: 'parked' }),
      },
    });
    expect(await replica.append(other)).toEqual({ kind: 'receipted', receipt: stored });
    expect(await replica.rowsAfter(instanceId, 0)).toEqual([]);
  });

  it('writes nothing of an entry whose receipt is refused; its closing row goes in under no request', async () => {
    const replica = log(database);
    const [instanceId, requestId] = [freshId(), freshId('q')];
    await replica.append(entryOf([newRow(instanceId, 1, 'started', { requestId })]));
    await replica.append(receiptEntry(instanceId, requestId, 1));
    const closing = entryOf([newRow(instanceId, 2, 'completed', { requestId })]);
    const receipt = newReceipt(requestId, instanceId, { outcome: 'completed' });
    const outcome = await replica.append({
      ...closing,
      receipt: { requestId, lastSeq: 2, receipt },
    });
    expect(outcome).toMatchObject({ kind: 'receipted', receipt: { outcome: 'advanced' } });
    expect(await replica.rowsAfter(instanceId, 1)).toEqual([]);
    expect((await replica.append(closing)).kind).toBe('receipted');
    const alone = entryOf([newRow(instanceId, 2, 'completed', { requestId: null })]);
    expect((await replica.append(alone)).kind).toBe('appended');
  });
});

/** Sends the entry again until the answer is definite, as callers do. */
async function settle(replica: PostgresLog, entry: AppendEntry): Promise<AppendOutcome> {
  for (;;) {
    const outcome = await replica.append(entry);
    if (outcome.kind !== 'unknown') return outcome;
  }
}

describe('unknown', () => {
  it('is the answer while another transaction holds the key, and sending again settles it: the key was free', async () => {
    const replica = log(database, { appendTimeoutMs: 600 });
    const rival = await connect(database.appUrl);
    const instanceId = freshId();
    const entry = entryOf([newRow(instanceId, 1, 'started')]);
    await rival.query('begin');
    await insertRow(rival, newRow(instanceId, 1, 'started', { replicaId: 'other' }));
    const outcome = await replica.append(entry);
    expect(outcome.kind).toBe('unknown');
    await rival.query('rollback');
    expect((await settle(replica, entry)).kind).toBe('appended');
  });

  it('settles as conflict when the other transaction commits', async () => {
    const replica = log(database, { appendTimeoutMs: 600 });
    const rival = await connect(database.appUrl);
    const instanceId = freshId();
    const entry = entryOf([newRow(instanceId, 1, 'started')]);
    await rival.query('begin');
    await insertRow(rival, newRow(instanceId, 1, 'started', { replicaId: 'other' }));
    expect((await replica.append(entry)).kind).toBe('unknown');
    await rival.query('commit');
    expect((await settle(replica, entry)).kind).toBe('conflict');
  });

  it('is the answer when the backend is ended in the middle', async () => {
    const replica = log(database, { replicaId: 'terminated' });
    const rival = await connect(database.appUrl);
    const superuser = await connect(database.superuserUrl);
    const instanceId = freshId();
    const entry = entryOf([newRow(instanceId, 1, 'started')]);
    await rival.query('begin');
    await insertRow(rival, newRow(instanceId, 1, 'started', { replicaId: 'other' }));
    const outcome = replica.append(entry);
    await waitForBlocked(superuser);
    await superuser.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'leasehold-terminated'`,
    );
    expect((await outcome).kind).toBe('unknown');
    await rival.query('rollback');
    expect((await settle(replica, entry)).kind).toBe('appended');
  });

  it('is the answer when the commit’s answer is lost, and sending again finds the row', async () => {
    const direct = new URL(database.appUrl);
    const proxy = await lossyProxy(direct.hostname, Number(direct.port));
    onTestFinished(() => proxy.close());
    const through = new URL(database.appUrl);
    through.port = String(proxy.port);
    const replica = log(database, { url: through.href });
    const watcher = log(database);
    const instanceId = freshId();
    await replica.check();
    await replica.append(entryOf([newRow(freshId(), 1, 'started')]));
    const entry = entryOf([newRow(instanceId, 1, 'started')]);
    proxy.loseAnswers();
    expect((await replica.append(entry)).kind).toBe('unknown');
    expect(await watcher.rowsAfter(instanceId, 0)).toHaveLength(1);
    proxy.heal();
    expect((await settle(replica, entry)).kind).toBe('already_recorded');
  });

  it('is the answer when nobody listens; reads say LogUnavailable', async () => {
    const nowhere = new URL(database.appUrl);
    nowhere.port = '1';
    const replica = log(database, { url: nowhere.href });
    const outcome = await replica.append(entryOf([newRow(freshId(), 1, 'started')]));
    expect(outcome).toMatchObject({ kind: 'unknown', cause: expect.any(LogUnavailable) });
    await expect(replica.snapshot('x')).rejects.toThrow(LogUnavailable);
    await expect(replica.check()).rejects.toThrow(/Postgres does not answer/);
  });
});

describe('a bug is thrown, not answered', () => {
  it('a row that breaks the order of kinds, which no other write explains', async () => {
    const replica = log(database);
    const instanceId = freshId();
    await replica.append(entryOf([newRow(instanceId, 1, 'started')]));
    await expect(
      replica.append(entryOf([newRow(instanceId, 2, 'satisfied', { cellId: 'b' })])),
    ).rejects.toThrow(/LH003 at seq 2/);
    await expect(replica.append(entryOf([newRow(instanceId, 5, 'completed')]))).rejects.toThrow(
      /LH001/,
    );
  });

  it('an entry whose later row breaks the order, and none of it is recorded', async () => {
    const replica = log(database);
    const instanceId = freshId();
    const rows = [newRow(instanceId, 1, 'satisfied'), newRow(instanceId, 2, 'completed')];
    await expect(replica.append(entryOf(rows))).rejects.toThrow(/LH003 at seq 2/);
    expect(await replica.rowsAfter(instanceId, 0)).toEqual([]);
  });

  it('an id that the table refuses', async () => {
    const replica = log(database);
    await expect(replica.append(entryOf([newRow('no spaces', 1, 'started')]))).rejects.toThrow(
      /check constraint/,
    );
  });

  it('an inconsistent entry', async () => {
    const replica = log(database);
    const row = newRow(freshId(), 1, 'started');
    await expect(replica.append(entryOf([row], { fencingToken: 99 }))).rejects.toThrow(
      /another term/,
    );
    await expect(replica.append(entryOf([row, row]))).rejects.toThrow(
      /does not follow the row before it/,
    );
    await expect(replica.append(entryOf([row], { instanceId: 'other' }))).rejects.toThrow(
      /belongs to/,
    );
    await expect(replica.append(entryOf([]))).rejects.toThrow(/neither/);
    const receipt = { requestId: 'q', lastSeq: 3, receipt: newReceipt('q', row.instanceId) };
    await expect(replica.append(entryOf([row], { receipt }))).rejects.toThrow(/rests on seq 3/);
  });
});

describe('entries that are sent together', () => {
  it('each get their own verdict', async () => {
    const replica = log(database);
    const fencedIds = new Set<string>();
    const ids = Array.from({ length: 200 }, () => freshId());
    await Promise.all(
      ids.map(async (instanceId, index) => {
        if (index % 3 !== 0) return;
        fencedIds.add(instanceId);
        await replica.append(entryOf([newRow(instanceId, 1, 'satisfied', { fencingToken: 20 })]));
      }),
    );
    const outcomes = await Promise.all(
      ids.map((instanceId) =>
        replica.append(entryOf([newRow(instanceId, 1, 'started', { cellId: 'b' })])),
      ),
    );
    expect(outcomes).toMatchObject(
      ids.map((instanceId) =>
        fencedIds.has(instanceId)
          ? { kind: 'fenced', by: 20 }
          : { kind: 'appended', rows: [{ instanceId }] },
      ),
    );
  });

  it('are not failed by a malformed one among them', async () => {
    const replica = log(database);
    const good = Array.from({ length: 20 }, () =>
      replica.append(entryOf([newRow(freshId(), 1, 'started')])),
    );
    const bad = replica.append(entryOf([newRow('no spaces', 1, 'started')]));
    await expect(bad).rejects.toThrow(/check constraint/);
    for (const outcome of await Promise.all(good)) expect(outcome.kind).toBe('appended');
  });

  it('do not wait again for one of them that stays blocked', async () => {
    const replica = log(database, { appendTimeoutMs: 1500 });
    const rival = await connect(database.appUrl);
    const stuck = freshId();
    await rival.query('begin');
    await insertRow(rival, newRow(stuck, 1, 'started', { replicaId: 'other' }));
    const entries = [stuck, ...Array.from({ length: 10 }, () => freshId())].map((instanceId) =>
      entryOf([newRow(instanceId, 1, 'started')]),
    );
    const first = await Promise.all(entries.map((entry) => replica.append(entry)));
    expect(first[0]!.kind).toBe('unknown');
    const again = await Promise.all(entries.map((entry) => replica.append(entry)));
    expect(again[0]!.kind).toBe('unknown');
    for (const outcome of again.slice(1))
      expect(['appended', 'already_recorded']).toContain(outcome.kind);
    await rival.query('rollback');
    expect((await settle(replica, entries[0]!)).kind).toBe('appended');
  });
});

it('appends are prepared by statements that pass the guard and write nothing', async () => {
  const own = await logDatabase();
  const [app, owner] = [await connect(own.appUrl), await connect(own.ownerUrl)];
  const asked: string[] = [];
  await prepareAppends({
    async query<R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> {
      asked.push(text);
      return (await app.query<R>(text, [...values])).rows;
    },
    async onAll(ask: () => Promise<unknown>): Promise<void> {
      await Promise.all([ask(), ask()]);
    },
  });
  // For one row and for many, with and without receipts and lines, on each connection.
  expect([asked.length, new Set(asked).size]).toEqual([16, 8]);
  await log(own).open();
  const { rows } = await owner.query(
    `select (select count(*)::int from leasehold.executions) as rows,
       (select count(*)::int from leasehold.requests) as receipts`,
  );
  expect(rows).toEqual([{ rows: 0, receipts: 0 }]);
});
