import type { Client } from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';

import {
  codeOf,
  connect,
  freshId,
  insertReceipt,
  insertRow,
  logDatabase,
  newRow,
  waitForBlocked,
} from './fixture.ts';
import type { LogDatabase } from './fixture.ts';

const TABLES = [
  'runbooks',
  'instances',
  'executions',
  'requests',
  'claims',
  'late_outcomes',
  'refusals',
];

let database: LogDatabase;

beforeAll(async () => {
  database = await logDatabase();
});

const url = { app: () => database.appUrl, owner: () => database.ownerUrl };

/** An instance whose attempt 1 of cell a is open under token 10. */
async function openAttempt(client: Client): Promise<string> {
  const instanceId = freshId();
  await insertRow(client, newRow(instanceId, 1, 'started'));
  return instanceId;
}

describe.each(TABLES)('leasehold.%s is append-only', (table) => {
  const statements = [
    `update leasehold.${table} set recorded_at = now()`,
    `update leasehold.${table} set recorded_at = now() where false`,
    `delete from leasehold.${table}`,
    `delete from leasehold.${table} where false`,
    `truncate leasehold.${table}`,
  ];

  it.each(statements)('the application role may not: %s', async (statement) => {
    expect(await codeOf((await connect(database.appUrl)).query(statement))).toBe('42501');
  });

  it.each(statements)('a trigger stops the owner: %s', async (statement) => {
    expect(await codeOf((await connect(database.ownerUrl)).query(statement))).toBe('LH004');
  });
});

it('an upsert does not bypass the append-only trigger', async () => {
  const owner = await connect(database.ownerUrl);
  const instanceId = await openAttempt(owner);
  const upsert = owner.query(
    `insert into leasehold.executions (instance_id, seq, fencing_token, replica_id, kind, cell_id)
       values ($1, 1, 10, 'r', 'started', 'a')
       on conflict (instance_id, seq) do update set kind = 'completed'`,
    [instanceId],
  );
  expect(await codeOf(upsert)).toBe('LH004');
});

describe.each(['app', 'owner'] as const)('as the %s role, plain SQL', (role) => {
  it('appends a row that obeys the chain rule', async () => {
    const client = await connect(url[role]());
    const instanceId = await openAttempt(client);
    expect(await codeOf(insertRow(client, newRow(instanceId, 2, 'completed')))).toBe('ok');
  });

  it('is refused an older token', async () => {
    const client = await connect(url[role]());
    const instanceId = await openAttempt(client);
    const stale = newRow(instanceId, 2, 'interrupted', {
      fencingToken: 9,
      body: { reason: 'crash' },
    });
    expect(await codeOf(insertRow(client, stale))).toBe('LH002');
  });

  it('is refused a gap, and a seq before the first', async () => {
    const client = await connect(url[role]());
    const instanceId = await openAttempt(client);
    expect(await codeOf(insertRow(client, newRow(instanceId, 3, 'completed')))).toBe('LH001');
    expect(await codeOf(insertRow(client, newRow(freshId(), 2, 'started')))).toBe('LH001');
    expect(await codeOf(insertRow(client, newRow(instanceId, 0, 'started')))).toBe('LH001');
    expect(await codeOf(insertRow(client, newRow(instanceId, -5, 'started')))).toBe('LH001');
  });

  it('is refused a second open attempt', async () => {
    const client = await connect(url[role]());
    const instanceId = await openAttempt(client);
    const second = { fencingToken: 11 };
    expect(await codeOf(insertRow(client, newRow(instanceId, 2, 'started', second)))).toBe('LH003');
    expect(
      await codeOf(insertRow(client, newRow(instanceId, 2, 'started', { ...second, attempt: 2 }))),
    ).toBe('LH003');
    expect(
      await codeOf(insertRow(client, newRow(instanceId, 2, 'started', { ...second, cellId: 'b' }))),
    ).toBe('LH003');
  });

  it('is refused an outcome without its intent', async () => {
    const client = await connect(url[role]());
    const instanceId = await openAttempt(client);
    expect(await codeOf(insertRow(client, newRow(freshId(), 1, 'completed')))).toBe('LH003');
    expect(
      await codeOf(insertRow(client, newRow(instanceId, 2, 'completed', { cellId: 'b' }))),
    ).toBe('LH003');
    await insertRow(client, newRow(instanceId, 2, 'completed'));
    expect(await codeOf(insertRow(client, newRow(instanceId, 3, 'completed')))).toBe('LH003');
  });

  it('is refused an outcome under a foreign token', async () => {
    const client = await connect(url[role]());
    const instanceId = await openAttempt(client);
    expect(
      await codeOf(insertRow(client, newRow(instanceId, 2, 'completed', { fencingToken: 11 }))),
    ).toBe('LH003');
  });

  it('violates the primary key where a row exists already', async () => {
    const client = await connect(url[role]());
    const instanceId = await openAttempt(client);
    await insertRow(client, newRow(instanceId, 2, 'completed'));
    expect(await codeOf(insertRow(client, newRow(instanceId, 2, 'completed')))).toBe('23505');
    expect(await codeOf(insertRow(client, newRow(instanceId, 2, 'satisfied')))).toBe('23505');
    const stale = newRow(instanceId, 2, 'completed', { fencingToken: 9 });
    expect(await codeOf(insertRow(client, stale))).toBe('23505');
  });

  it('writes nothing under a request that has its receipt, and closes an open attempt without a request id', async () => {
    const client = await connect(url[role]());
    const requestId = freshId('q');
    const instanceId = freshId();
    await insertRow(client, newRow(instanceId, 1, 'started', { requestId }));
    await insertReceipt(client, { requestId, instanceId, lastSeq: 1 });
    expect(await codeOf(insertRow(client, newRow(instanceId, 2, 'completed', { requestId })))).toBe(
      'LH005',
    );
    expect(await codeOf(insertRow(client, newRow(instanceId, 2, 'completed')))).toBe('ok');
    for (const kind of ['started', 'satisfied', 'refuted'] as const) {
      const next = newRow(instanceId, 3, kind, { requestId, cellId: 'b' });
      expect(await codeOf(insertRow(client, next))).toBe('LH005');
      expect(await codeOf(insertRow(client, newRow(freshId(), 1, kind, { requestId })))).toBe(
        'LH005',
      );
    }
    const other = newRow(instanceId, 3, 'started', { requestId: freshId('q'), cellId: 'b' });
    expect(await codeOf(insertRow(client, other))).toBe('ok');
  });

  it('records a receipt only on the newest row, and under no older token', async () => {
    const client = await connect(url[role]());
    const instanceId = await openAttempt(client);
    const receipt = { requestId: freshId('q'), instanceId };
    expect(await codeOf(insertReceipt(client, { ...receipt, lastSeq: 0 }))).toBe('LH006');
    expect(await codeOf(insertReceipt(client, { ...receipt, lastSeq: 2 }))).toBe('LH006');
    expect(await codeOf(insertReceipt(client, { ...receipt, lastSeq: 1, fencingToken: 9 }))).toBe(
      'LH002',
    );
    expect(await codeOf(insertReceipt(client, { ...receipt, lastSeq: 1 }))).toBe('ok');
    expect(await codeOf(insertReceipt(client, { ...receipt, lastSeq: 1 }))).toBe('23505');
    const missing = { requestId: freshId('q'), instanceId: freshId() };
    expect(await codeOf(insertReceipt(client, { ...missing, lastSeq: 1 }))).toBe('LH006');
    expect(await codeOf(insertReceipt(client, { ...missing, lastSeq: 0 }))).toBe('ok');
  });

  it.each(['repeatable read', 'serializable'])(
    'may not write under %s, where the guard would not see concurrent rows',
    async (level) => {
      const client = await connect(url[role]());
      await client.query(`begin isolation level ${level}`);
      expect(await codeOf(insertRow(client, newRow(freshId(), 1, 'started')))).toBe('25000');
      await client.query('rollback');
      await client.query(`begin isolation level ${level}`);
      const receipt = { requestId: freshId('q'), instanceId: freshId(), lastSeq: 0 };
      expect(await codeOf(insertReceipt(client, receipt))).toBe('25000');
      await client.query('rollback');
    },
  );

  it('cannot mislead the guard with a search path', async () => {
    const client = await connect(url[role]());
    const instanceId = await openAttempt(client);
    await client.query('create temp table executions (like leasehold.executions)');
    await client.query('set search_path = pg_temp, leasehold, public');
    expect(
      await codeOf(insertRow(client, newRow(instanceId, 2, 'completed', { fencingToken: 1 }))),
    ).toBe('LH002');
  });
});

it.each(['a b', '', 'x'.repeat(129), 'a.b', 'ü'])(
  'an id like %j is refused by the table itself',
  async (bad) => {
    const client = await connect(database.appUrl);
    expect(await codeOf(insertRow(client, newRow(bad, 1, 'started')))).toBe('23514');
    expect(await codeOf(insertRow(client, newRow(freshId(), 1, 'started', { cellId: bad })))).toBe(
      '23514',
    );
  },
);

it('a statement with a refused row is refused as a whole, and one whose rows follow each other is accepted', async () => {
  const client = await connect(database.appUrl);
  const [one, two] = [freshId(), freshId()];
  const insert = `insert into leasehold.executions (instance_id, seq, fencing_token, replica_id, kind, cell_id) values`;
  const valid = `($1, 1, 10, 'r', 'started', 'a'), ($1, 2, 10, 'r', 'completed', 'a'), ($2, 1, 10, 'r', 'satisfied', 'a')`;
  for (const [invalid, code] of [
    [`($1, 3, 9, 'r', 'started', 'b')`, 'LH002'],
    [`($1, 4, 10, 'r', 'started', 'b')`, 'LH001'],
    [`($2, 2, 10, 'r', 'completed', 'a')`, 'LH003'],
    [`($2, 1, 10, 'r', 'satisfied', 'a')`, '23505'],
  ]) {
    expect(await codeOf(client.query(`${insert} ${valid}, ${invalid}`, [one, two]))).toBe(code);
  }
  const { rows } = await client.query(
    'select seq from leasehold.executions where instance_id = any($1)',
    [[one, two]],
  );
  expect(rows).toEqual([]);
  expect(await codeOf(client.query(`${insert} ${valid}`, [one, two]))).toBe('ok');
});

it('a receipt and its rows may come in one statement, and a row after that receipt may not', async () => {
  const client = await connect(database.appUrl);
  const both = `with r as (
    insert into leasehold.executions (instance_id, seq, fencing_token, replica_id, kind, cell_id, request_id)
      values ($1, 1, 10, 'r', 'satisfied', 'a', $2), ($1, $3, 10, 'r', 'satisfied', 'b', $2))
    insert into leasehold.requests (request_id, instance_id, fencing_token, last_seq, receipt)
      values ($2, $1, 10, $4, '{}')`;
  expect(await codeOf(client.query(both, [freshId(), freshId('q'), 2, 2]))).toBe('ok');
  // The receipt's last row has another row of the same statement after it.
  expect(['LH005', 'LH006']).toContain(
    await codeOf(client.query(both, [freshId(), freshId('q'), 2, 1])),
  );
});

it('a receipt may say that it comes with rows only where it does, under the token of the last of them', async () => {
  const client = await connect(database.appUrl);
  const together = `with r as (
    insert into leasehold.executions (instance_id, seq, fencing_token, replica_id, kind, cell_id, request_id)
      values ($1, 1, 10, 'r', 'satisfied', 'a', $2))
    insert into leasehold.requests (request_id, instance_id, fencing_token, last_seq, receipt, with_rows)
      values ($2, $1, $3, 1, '{}', true)`;
  const alone = `insert into leasehold.requests (request_id, instance_id, fencing_token, last_seq, receipt, with_rows)
    values ($2, $1, 10, $3, '{}', true)`;
  const instanceId = freshId();
  expect(await codeOf(client.query(together, [instanceId, freshId('q'), 10]))).toBe('ok');
  expect(await codeOf(client.query(together, [freshId(), freshId('q'), 11]))).toBe('23514');
  expect(await codeOf(client.query(alone, [instanceId, freshId('q'), 1]))).toBe('23514');
  expect(await codeOf(client.query(alone, [freshId(), freshId('q'), 0]))).toBe('23514');
});

it('a row waits for a receipt of its instance that is not committed yet, and then sees it', async () => {
  const [first, second, watcher] = [
    await connect(database.appUrl),
    await connect(database.appUrl),
    await connect(database.superuserUrl),
  ];
  const [requestId, instanceId] = [freshId('q'), freshId()];
  await first.query('begin');
  await insertReceipt(first, { requestId, instanceId, lastSeq: 0 });
  const row = codeOf(insertRow(second, newRow(instanceId, 1, 'started', { requestId })));
  await waitForBlocked(watcher);
  await first.query('commit');
  expect(await row).toBe('LH005');
});

it('a receipt waits for a row of its instance that is not committed yet, and then sees it', async () => {
  const [first, second, watcher] = [
    await connect(database.appUrl),
    await connect(database.appUrl),
    await connect(database.superuserUrl),
  ];
  const [requestId, instanceId] = [freshId('q'), freshId()];
  await first.query('begin');
  await insertRow(first, newRow(instanceId, 1, 'started', { requestId }));
  const receipt = codeOf(insertReceipt(second, { requestId, instanceId, lastSeq: 0 }));
  await waitForBlocked(watcher);
  await first.query('commit');
  expect(await receipt).toBe('LH006');
});
