import { beforeAll, describe, expect, it } from 'vitest';

import { entryOf, freshId, log, logDatabase, newReceipt, newRow, receiptEntry } from './fixture.ts';
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
        receipt: { requestId, agentId: 'tester', lastSeq: 1, receipt },
      }),
    );
    expect(outcome.kind).toBe('appended');
    expect(await replica.receipt(requestId)).toEqual(receipt);
  });

  it('accepts a receipt alone, also for an instance that does not exist', async () => {
    const replica = log(database);
    const requestId = freshId('q');
    const outcome = await replica.append(receiptEntry(freshId(), requestId, 0));
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

  it('is the answer even when other replicas have appended since', async () => {
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
    // The caller sees that a row follows, and must not run the attempt.
    expect((await replica.rowsAfter(instanceId, 1)).map((row) => row.kind)).toEqual([
      'interrupted',
    ]);
  });

  it('covers the receipt, with rows and alone', async () => {
    const replica = log(database);
    const [instanceId, requestId, second] = [freshId(), freshId('q'), freshId('q')];
    const entry = entryOf([newRow(instanceId, 1, 'satisfied', { requestId })], {
      receipt: {
        requestId,
        agentId: 'tester',
        lastSeq: 1,
        receipt: newReceipt(requestId, instanceId),
      },
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
  it('is the answer when another writer, without a higher token, was faster', async () => {
    const replica = log(database);
    const instanceId = freshId();
    await replica.append(
      entryOf([newRow(instanceId, 1, 'started', { fencingToken: 7, replicaId: 'other' })]),
    );
    expect((await replica.append(entryOf([newRow(instanceId, 1, 'started')]))).kind).toBe(
      'conflict',
    );
  });

  it('is the answer when another writer cancelled the instance meanwhile', async () => {
    const replica = log(database);
    const instanceId = freshId();
    await replica.append(entryOf([newRow(instanceId, 1, 'satisfied')]));
    await replica.append(entryOf([newRow(instanceId, 2, 'cancelled', { replicaId: 'other' })]));
    const next = newRow(instanceId, 2, 'started', { cellId: 'b' });
    expect((await replica.append(entryOf([next]))).kind).toBe('conflict');
    const verdict = newRow(instanceId, 2, 'satisfied', { cellId: 'b' });
    expect((await replica.append(entryOf([verdict, { ...next, seq: 3, cellId: 'c' }]))).kind).toBe(
      'conflict',
    );
    expect(await replica.rowsAfter(instanceId, 0)).toHaveLength(2);
  });

  it('appends none of the entry’s rows, although the later ones would fit', async () => {
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

  it('is the answer to a receipt for rows that are no longer the newest', async () => {
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
  it('is the answer to a row that would start work under an answered request, and to a second receipt', async () => {
    const replica = log(database);
    const [instanceId, requestId] = [freshId(), freshId('q')];
    await replica.append(receiptEntry(instanceId, requestId, 0));
    const stored = newReceipt(requestId, instanceId);
    const started = entryOf([newRow(instanceId, 1, 'started', { requestId })]);
    expect(await replica.append(started)).toEqual({ kind: 'receipted', receipt: stored });
    const other = receiptEntry(instanceId, requestId, 0, {
      receipt: {
        requestId,
        agentId: 'tester',
        lastSeq: 0,
        receipt: newReceipt(requestId, instanceId, { outcome: 'parked' }),
      },
    });
    expect(await replica.append(other)).toEqual({ kind: 'receipted', receipt: stored });
    expect(await replica.rowsAfter(instanceId, 0)).toEqual([]);
  });

  it('writes nothing of an entry whose receipt is refused; its closing row is accepted without a request id', async () => {
    const replica = log(database);
    const [instanceId, requestId] = [freshId(), freshId('q')];
    await replica.append(entryOf([newRow(instanceId, 1, 'started', { requestId })]));
    await replica.append(receiptEntry(instanceId, requestId, 1));
    const closing = entryOf([newRow(instanceId, 2, 'completed', { requestId })]);
    const receipt = newReceipt(requestId, instanceId, { outcome: 'completed' });
    const outcome = await replica.append({
      ...closing,
      receipt: { requestId, agentId: 'tester', lastSeq: 2, receipt },
    });
    expect(outcome).toMatchObject({ kind: 'receipted', receipt: { outcome: 'advanced' } });
    expect(await replica.rowsAfter(instanceId, 1)).toEqual([]);
    expect((await replica.append(closing)).kind).toBe('receipted');
    const alone = entryOf([newRow(instanceId, 2, 'completed', { requestId: null })]);
    expect((await replica.append(alone)).kind).toBe('appended');
  });
});
