import { describe, expect, it } from 'vitest';

import { prepareAppends } from '../../../../advancer/log/sql/append.ts';
import {
  appendUntilDefinite,
  connect,
  databaseOfFile,
  entryOf,
  freshId,
  log,
  logDatabase,
  newRow,
  openRival,
} from './fixture.ts';

const database = databaseOfFile();

describe('entries that are sent together', () => {
  it('each get their own outcome', async () => {
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

  it('do not fail because of a malformed one among them', async () => {
    const replica = log(database);
    const good = Array.from({ length: 20 }, () =>
      replica.append(entryOf([newRow(freshId(), 1, 'started')])),
    );
    const bad = replica.append(entryOf([newRow('no spaces', 1, 'started')]));
    expect(await bad).toMatchObject({
      kind: 'rejected',
      why: expect.stringContaining('check constraint'),
    });
    for (const outcome of await Promise.all(good)) expect(outcome.kind).toBe('appended');
  });

  it('do not wait again for one of them that stays blocked', async () => {
    const impatient = await logDatabase(1125);
    const replica = log(impatient, { appendTimeoutMs: 1500 });
    const stuck = freshId();
    const rival = await openRival(impatient.ownerUrl, stuck);
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
    expect((await appendUntilDefinite(replica, entries[0]!)).kind).toBe('appended');
  });
});

it('preparing appends runs statements that pass the guard and write nothing', async () => {
  const own = await logDatabase();
  const [app, owner] = [await connect(own.appUrl), await connect(own.ownerUrl)];
  const statements: string[] = [];
  await prepareAppends({
    async query<R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> {
      statements.push(text);
      return (await app.query<R>(text, [...values])).rows;
    },
  });
  // For one row and for many, with and without receipts and projection lines.
  expect([statements.length, new Set(statements).size]).toEqual([8, 8]);
  await log(own).open('app');
  const { rows } = await owner.query(
    `select (select count(*)::int from leasehold.executions) as rows,
       (select count(*)::int from leasehold.requests) as receipts`,
  );
  expect(rows).toEqual([{ rows: 0, receipts: 0 }]);
});
