import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { codeOf, insert, row } from './postgres-rows.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
  await cluster.owner.query(
    `insert into leasehold.runbooks (runbook_id, version, cells, digest)
       values ('parent', 1, '[{"id": "c", "run": {"runbook": "child"}}]', ''),
              ('child', 1, '[{"id": "x", "prose": ""}]', '')`,
  );
});

afterAll(() => cluster?.stop());

const roles = ['app', 'owner'] as const;

/** An instance without a parent. */
const plain = (id: string): Record<string, unknown> => ({
  instance_id: id,
  runbook_id: 'parent',
  version: 1,
  agent_id: 'a',
});

/** A child of cell c of that instance, whose log is empty. */
const childOf = (parent: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  ...plain(`${parent}-c`),
  runbook_id: 'child',
  parent_instance_id: parent,
  parent_cell_id: 'c',
  parent_attempt: 1,
  parent_seq: 0,
  parent_token: 10,
  ...more,
});

describe.each(roles)('the guard of the origins, for what leasehold_%s inserts', (role) => {
  let parents = 0;
  /** A fresh parent with these rows. */
  const parent = async (...rows: Record<string, unknown>[]): Promise<string> => {
    parents += 1;
    const id = `${role}-p${parents}`;
    await insert(cluster[role], 'instances', plain(id));
    for (const one of rows) await insert(cluster[role], 'executions', { instance_id: id, ...one });
    return id;
  };
  const start = (values: Record<string, unknown>): Promise<void> =>
    insert(cluster[role], 'instances', values);

  it('admits a child where the row of its cell could stand', async () => {
    await start(childOf(await parent()));
    const next = await parent(row(1), row(2, { kind: 'completed' }));
    await start(childOf(next, { parent_seq: 2 }));
    await start(childOf(next, { instance_id: `${next}-c-1`, parent_n: 1, parent_seq: 2 }));
    const again = await parent(
      row(1, { kind: 'refuted', cell_id: 'c' }),
      row(2, {
        kind: 'decided',
        cell_id: 'c',
        body: '{"as": "rerun", "by": "ann", "reason": "y"}',
      }),
    );
    const second = { instance_id: `${again}-c-r2`, parent_attempt: 2, parent_seq: 2 };
    await start(childOf(again, second));
    expect(await codeOf(start(childOf(again, { parent_seq: 2 })))).toBe('LH003');
  });

  it('LH006: the log of the parent has moved on, or is not there yet', async () => {
    const moved = await parent(row(1), row(2, { kind: 'completed' }));
    for (const parent_seq of [0, 1, 3])
      expect(await codeOf(start(childOf(moved, { parent_seq })))).toBe('LH006');
  });

  it('LH002: a newer token is in the log of the parent', async () => {
    const newer = await parent(row(1), row(2, { kind: 'completed' }));
    const stale = childOf(newer, { parent_seq: 2, parent_token: 9 });
    expect(await codeOf(start(stale))).toBe('LH002');
  });

  it.each([
    ['while an attempt is open', [row(1)]],
    ['after a doubt', [row(1), row(2, { kind: 'interrupted', body: '{"reason": "crash"}' })]],
    ['after a failure', [row(1), row(2, { kind: 'failed' })]],
    ['after its own row', [row(1, { cell_id: 'c', kind: 'satisfied' })]],
    ['after unwinding', [row(1, { kind: 'unwinding', body: '{"by": "a", "reason": "b"}' })]],
  ])('LH003: %s', async (_, rows) => {
    const id = await parent(...rows);
    expect(await codeOf(start(childOf(id, { parent_seq: rows.length })))).toBe('LH003');
  });

  it('LH007: the parent is cancelled', async () => {
    const cancelled = { kind: 'cancelled', body: '{"by": "a", "reason": "b", "left": []}' };
    const id = await parent(row(1, cancelled));
    expect(await codeOf(start(childOf(id, { parent_seq: 1, parent_token: 12 })))).toBe('LH007');
  });

  it('23503: there is no such parent', async () => {
    expect(await codeOf(start(childOf(`${role}-nobody`)))).toBe('23503');
  });

  it.each([
    ['parent_instance_id', null],
    ['parent_instance_id', 'a b'],
    ['parent_cell_id', null],
    ['parent_cell_id', ''],
    ['parent_n', -1],
    ['parent_attempt', null],
    ['parent_attempt', 0],
    ['parent_seq', null],
    ['parent_seq', -1],
    ['parent_token', null],
    ['parent_token', 0],
    ['parent_token', '9007199254740992'],
  ])('23514: %s is %s', async (column, value) => {
    const refused = start(childOf(await parent(), { [column]: value }));
    await expect(refused).rejects.toMatchObject({ code: '23514', column });
  });

  it('23505: each element and attempt has one child, whatever its id', async () => {
    const id = await parent();
    await start(childOf(id));
    expect(await codeOf(start(childOf(id, { instance_id: `${id}-x` })))).toBe('23505');
    await start(childOf(id, { instance_id: `${id}-0`, parent_n: 0 }));
    expect(await codeOf(start(childOf(id, { instance_id: `${id}-y`, parent_n: 0 })))).toBe('23505');
  });

  it('25000: under another isolation level', async () => {
    const id = await parent();
    const client = await cluster[role].connect();
    try {
      await client.query('begin isolation level repeatable read');
      const names = Object.keys(childOf(id));
      const refused = client.query(
        `insert into leasehold.instances (${names.join(', ')})
           values (${names.map((_, i) => `$${i + 1}`).join(', ')})`,
        Object.values(childOf(id)),
      );
      expect(await codeOf(refused)).toBe('25000');
    } finally {
      await client.query('rollback');
      client.release();
    }
  });
});

describe('children and rows of one parent at the same time', () => {
  it('the child waits for a row that is not committed yet, and is refused', async () => {
    await insert(cluster.owner, 'instances', plain('racing-row'));
    const client = await cluster.app.connect();
    try {
      await client.query('begin');
      await client.query(
        `insert into leasehold.executions
             (instance_id, seq, fencing_token, replica_id, kind, cell_id, request_id, agent_id)
           values ('racing-row', 1, 10, 'x', 'started', 'a', 'q', 'a')`,
      );
      const child = codeOf(insert(cluster.app, 'instances', childOf('racing-row')));
      const first = await Promise.race([child, waitingFor('advisory')]);
      expect(first).toBe('waits');
      await client.query('commit');
      expect(await child).toBe('LH006');
    } finally {
      client.release();
    }
  });

  it('the row waits for children that are not committed yet, and follows them', async () => {
    await insert(cluster.owner, 'instances', plain('racing-child'));
    const client = await cluster.app.connect();
    try {
      await client.query('begin');
      const child = childOf('racing-child');
      const names = Object.keys(child);
      await client.query(
        `insert into leasehold.instances (${names.join(', ')})
           values (${names.map((_, i) => `$${i + 1}`).join(', ')})`,
        Object.values(child),
      );
      const cancelled = { kind: 'cancelled', body: '{"by": "a", "reason": "b", "left": []}' };
      const appended = codeOf(
        insert(cluster.app, 'executions', { instance_id: 'racing-child', ...row(1, cancelled) }),
      );
      expect(await Promise.race([appended, waitingFor('advisory')])).toBe('waits');
      await client.query('commit');
      expect(await appended).toBe('no error');
    } finally {
      client.release();
    }
  });

  it('of two inserters, one starts the children', async () => {
    await insert(cluster.owner, 'instances', plain('racing-two'));
    const child = childOf('racing-two');
    const codes = await Promise.all([
      codeOf(insert(cluster.app, 'instances', { ...child, parent_token: 10 })),
      codeOf(insert(cluster.app, 'instances', { ...child, parent_token: 11 })),
    ]);
    expect(codes.toSorted()).toEqual(['23505', 'no error']);
  });
});

/** Resolves once a statement waits for a lock of that type. */
async function waitingFor(type: string): Promise<'waits'> {
  for (;;) {
    const { rows } = await cluster.owner.query<{ n: number }>(
      `select count(*)::int as n from pg_locks l join pg_database d on d.oid = l.database
         where d.datname = current_database() and not l.granted and l.locktype = $1`,
      [type],
    );
    if ((rows[0]?.n ?? 0) > 0) return 'waits';
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
