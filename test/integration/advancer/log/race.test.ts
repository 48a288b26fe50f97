import { expect, it } from 'vitest';

import type { PostgresLog } from '../../../../advancer/log/postgres-log.ts';
import {
  connect,
  databaseOfFile,
  entryOf,
  freshId,
  insertRow,
  log,
  newRow,
  receiptEntry,
} from './fixture.ts';

const database = databaseOfFile();

/** The log as replicas `r-0`, `r-1`, … see it. */
function logsOf(count: number): PostgresLog[] {
  return Array.from({ length: count }, (_, index) => log(database, { replicaId: `r-${index}` }));
}

it('of 2 to 8 writers at one seq exactly one wins', async () => {
  const replicas = logsOf(8);
  for (let round = 0; round < 70; round += 1) {
    const racers = replicas.slice(0, 2 + (round % 7));
    const instanceId = freshId();
    const outcomes = await Promise.all(
      racers.map((replica, index) =>
        replica.append(entryOf([newRow(instanceId, 1, 'started', { replicaId: `r-${index}` })])),
      ),
    );
    const winners = outcomes.filter((outcome) => outcome.kind === 'appended');
    expect(winners).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome.kind === 'conflict')).toHaveLength(
      racers.length - 1,
    );
    expect(winners).toEqual([
      { kind: 'appended', rows: await replicas[0]!.rowsAfter(instanceId, 0) },
    ]);
  }
});

it('of writers with different tokens at one seq exactly one wins, and no lower token follows a higher one', async () => {
  const replicas = logsOf(4);
  for (let round = 0; round < 50; round += 1) {
    const instanceId = freshId();
    const outcomes = await Promise.all(
      replicas.map((replica, index) =>
        replica.append(
          entryOf([
            newRow(instanceId, 1, 'satisfied', {
              replicaId: `r-${index}`,
              fencingToken: 10 + index,
            }),
          ]),
        ),
      ),
    );
    const winner = outcomes.findIndex((outcome) => outcome.kind === 'appended');
    expect(outcomes.filter((outcome) => outcome.kind === 'appended')).toHaveLength(1);
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(
      outcomes.map((_outcome, index) =>
        index === winner ? 'appended' : index < winner ? 'fenced' : 'conflict',
      ),
    );
  }
});

it('a receipt alone and a row under the same request are never both accepted', async () => {
  const holder = log(database, { replicaId: 'holder' });
  const rival = log(database, { replicaId: 'rival' });
  const wins = { row: 0, receipt: 0 };
  for (let round = 0; round < 400; round += 1) {
    const [instanceId, requestId] = [freshId(), freshId('q')];
    const row = entryOf([newRow(instanceId, 1, 'started', { requestId, replicaId: 'holder' })]);
    const receipt = receiptEntry(instanceId, requestId, 0, { replicaId: 'rival' });
    const sendRow = () => holder.append(row);
    const sendReceipt = () => rival.append(receipt);
    // The append that is called first has a head start.
    const [first, second] =
      round % 2 === 0 ? [sendRow(), sendReceipt()] : [sendReceipt(), sendRow()];
    const [rowOutcome, receiptOutcome] =
      round % 2 === 0 ? [await first, await second] : [await second, await first];
    const result = {
      row: rowOutcome.kind,
      receipt: receiptOutcome.kind,
      rows: (await holder.rowsAfter(instanceId, 0)).length,
      hasReceipt: (await holder.receipt(requestId)) !== undefined,
    };
    const winner = rowOutcome.kind === 'appended' ? 'row' : 'receipt';
    wins[winner] += 1;
    expect(result).toEqual(
      winner === 'row'
        ? { row: 'appended', receipt: 'conflict', rows: 1, hasReceipt: false }
        : { row: 'receipted', receipt: 'appended', rows: 0, hasReceipt: true },
    );
  }
  expect(wins.row).toBeGreaterThan(20);
  expect(wins.receipt).toBeGreaterThan(20);
});

it('batches of rows and receipts over the same instances, from four replicas at once, never deadlock', async () => {
  const superuser = await connect(database.superuserUrl);
  const ids = Array.from({ length: 40 }, () => freshId());
  const counts = { appended: 0, other: 0 };
  await Promise.all(
    logsOf(4).map(async (replica, number) => {
      for (let round = 0; round < 15; round += 1) {
        // Each replica uses a different order.
        const order = ids.map((_, index) => ids[(index * (2 * number + 3) + round) % ids.length]!);
        await Promise.all(
          [...new Set(order)].map(async (instanceId, index) => {
            const newest = await replica.newestRow(instanceId);
            const seq = newest?.seq ?? 0;
            const next = newRow(instanceId, seq + 1, 'satisfied', {
              replicaId: `r-${number}`,
              cellId: newest?.cellId === 'a' ? 'b' : 'a',
            });
            const entry =
              (index + number) % 3 === 0
                ? receiptEntry(instanceId, freshId('q'), seq)
                : entryOf([next]);
            const outcome = await replica.append(entry);
            expect(['appended', 'conflict']).toContain(outcome.kind);
            counts[outcome.kind === 'appended' ? 'appended' : 'other'] += 1;
          }),
        );
      }
    }),
  );
  expect(counts.appended).toBeGreaterThan(100);
  expect(counts.other).toBeGreaterThan(10);
  const { rows } = await superuser.query<{ deadlocks: string }>(
    'select deadlocks from pg_stat_database where datname = current_database()',
  );
  expect(Number(rows[0]!.deadlocks)).toBe(0);
});

it('rows and their receipt in one transaction are accepted together, also by plain SQL', async () => {
  const app = await connect(database.appUrl);
  const [instanceId, requestId] = [freshId(), freshId('q')];
  await app.query('begin');
  await insertRow(app, newRow(instanceId, 1, 'satisfied', { requestId }));
  await app.query(
    `insert into leasehold.requests (request_id, instance_id, fencing_token, last_seq, receipt) values ($1, $2, 10, 1, '{}')`,
    [requestId, instanceId],
  );
  // Because of its own row the receipt needs no lock: only the shared one is held.
  const { rows } = await app.query<{ mode: string }>(
    `select mode from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`,
  );
  expect(rows.map((row) => row.mode)).toEqual(['ShareLock']);
  await app.query('commit');
});
