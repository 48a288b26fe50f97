import { Client, type Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { freshDatabase } from '../harness/servers.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
});

afterAll(() => cluster?.stop());

/** The columns that the contract and the design name; `!` for those that are never null. */
const TABLES: Record<string, string[]> = {
  runbooks: ['runbook_id text!', 'version integer!', 'cells jsonb!', 'digest text!'],
  instances: [
    'instance_id text!',
    'runbook_id text!',
    'version integer!',
    'inputs jsonb!',
    'agent_id text!',
  ],
  executions: [
    'instance_id text!',
    'seq bigint!',
    'fencing_token bigint!',
    'replica_id text!',
    'kind text!',
    'cell_id text!',
    'attempt integer!',
    'request_id text',
    'agent_id text',
    'body jsonb!',
  ],
  requests: ['request_id text!', 'instance_id text!', 'fencing_token bigint!', 'receipt jsonb!'],
  claims: [
    'claim_id text!',
    'revision integer!',
    'status text!',
    'agent_id text!',
    'evidence jsonb',
  ],
  late_outcomes: [
    'instance_id text!',
    'cell_id text!',
    'attempt integer!',
    'fencing_token bigint!',
    'replica_id text!',
    'kind text!',
    'body jsonb!',
  ],
  refusals: [
    'instance_id text!',
    'seq bigint!',
    'fencing_token bigint!',
    'replica_id text!',
    'kind text!',
    'reason text!',
  ],
};

const KEYS: Record<string, string[]> = {
  runbooks: ['runbook_id', 'version'],
  instances: ['instance_id'],
  executions: ['instance_id', 'seq'],
  requests: ['request_id'],
  claims: ['claim_id', 'revision'],
};

/** A row of each table, in the columns of the contract only. */
const SAMPLES: Record<string, Record<string, unknown>> = {
  runbooks: { runbook_id: 'r', version: 1, cells: '[{"id": "a", "prose": "x"}]', digest: 'd' },
  instances: { instance_id: 'i', runbook_id: 'r', version: 1, inputs: '{}', agent_id: 'a' },
  executions: { ...row(1), instance_id: 'i' },
  requests: { request_id: 'q', instance_id: 'none', fencing_token: 1, receipt: '{}' },
  claims: { claim_id: 'c', revision: 1, status: 's', agent_id: 'a', evidence: '{}' },
  late_outcomes: {
    instance_id: 'i',
    cell_id: 'a',
    attempt: 1,
    fencing_token: 1,
    replica_id: 'x-00000000',
    kind: 'completed',
    body: '{}',
  },
  refusals: {
    instance_id: 'i',
    seq: 1,
    fencing_token: 1,
    replica_id: 'x-00000000',
    kind: 'completed',
    reason: 'LH002',
  },
};

function row(seq: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    seq,
    fencing_token: 10,
    replica_id: 'x-00000000',
    kind: 'started',
    cell_id: 'a',
    attempt: 1,
    request_id: 'q1',
    agent_id: 'a',
    body: '{}',
    ...more,
  };
}

async function insert(as: Pool, table: string, values: Record<string, unknown>): Promise<void> {
  const names = Object.keys(values);
  await as.query(
    `insert into leasehold.${table} (${names.join(', ')}) values (${names.map((_, i) => `$${i + 1}`).join(', ')})`,
    Object.values(values),
  );
}

/** The error code of what must fail. */
async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
  } catch (cause) {
    return (cause as { code?: string }).code;
  }
  return 'no error';
}

const tables = Object.keys(TABLES);
const roles = ['app', 'owner'] as const;

describe('the schema', () => {
  it.each(tables)('has the table %s with the columns of the contract', async (table) => {
    const { rows } = await cluster.app.query<{
      name: string;
      type: string;
      nullable: string;
      given: boolean;
    }>(
      `select column_name as name, data_type as type, is_nullable as nullable,
              column_default is not null or is_identity = 'YES' as given
         from information_schema.columns where table_schema = 'leasehold' and table_name = $1`,
      [table],
    );
    const found = rows.map(
      ({ name, type, nullable }) => `${name} ${type}${nullable === 'NO' ? '!' : ''}`,
    );
    const named = [...(TABLES[table] ?? []), 'recorded_at timestamp with time zone!'];
    expect(found).toEqual(expect.arrayContaining(named));
    // Whatever else there is must not be asked of those who know the contract only.
    const more = rows.filter(({ name }) => !named.some((column) => column.startsWith(`${name} `)));
    expect(more.filter(({ nullable, given }) => nullable === 'NO' && !given)).toEqual([]);
  });

  it.each(Object.entries(KEYS))('keys the table %s by %j', async (table, columns) => {
    const { rows } = await cluster.app.query<{ name: string }>(
      `select a.attname as name from pg_index i
         join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
        where i.indrelid = $1::regclass and i.indisprimary order by a.attnum`,
      [`leasehold.${table}`],
    );
    expect(rows.map(({ name }) => name)).toEqual(columns);
  });

  it('is owned by leasehold_owner, as is the schema leasehold_projection', async () => {
    const { rows } = await cluster.app.query(
      `select nspname as name, pg_get_userbyid(nspowner) as owner from pg_namespace where nspname like 'leasehold%' order by 1`,
    );
    expect(rows).toEqual([
      { name: 'leasehold', owner: 'leasehold_owner' },
      { name: 'leasehold_projection', owner: 'leasehold_owner' },
    ]);
    const owners = await cluster.app.query(
      `select distinct tableowner as owner from pg_tables where schemaname = 'leasehold'`,
    );
    expect(owners.rows).toEqual([{ owner: 'leasehold_owner' }]);
  });

  it.each(tables)(
    'lets leasehold_app insert into %s by the columns of the contract, and select',
    async (table) => {
      await insert(cluster.app, table, SAMPLES[table] ?? {});
      const { rows } = await cluster.app.query<{ recorded_at: Date }>(
        `select * from leasehold.${table}`,
      );
      expect(rows).toHaveLength(1);
      expect(Math.abs(Date.now() - (rows[0]?.recorded_at.getTime() ?? 0))).toBeLessThan(60_000);
    },
  );
});

describe('append-only', () => {
  const changes = (table: string): string[] => [
    `update leasehold.${table} set recorded_at = recorded_at`,
    `update leasehold.${table} set recorded_at = recorded_at where false`,
    `delete from leasehold.${table}`,
    `truncate leasehold.${table}`,
  ];

  it.each(tables)(
    'refuses every change of %s: 42501 to the application, LH004 to the owner',
    async (table) => {
      for (const sql of changes(table)) {
        expect(await codeOf(cluster.app.query(sql)), `app: ${sql}`).toBe('42501');
        expect(await codeOf(cluster.owner.query(sql)), `owner: ${sql}`).toBe('LH004');
      }
      const { rows } = await cluster.app.query(`select * from leasehold.${table}`);
      expect(rows).toHaveLength(1);
    },
  );

  it('gives the application no way to change the schema', async () => {
    for (const sql of [
      'alter table leasehold.executions disable trigger all',
      'drop table leasehold.executions',
      'create table leasehold.mine (x int)',
      'drop schema leasehold cascade',
      'set session_replication_role = replica',
      'set role leasehold_owner',
      'select * from leasehold.executions for update',
    ]) {
      expect(await codeOf(cluster.app.query(sql)), `app: ${sql}`).toBe('42501');
    }
  });
});

describe.each(roles)('the guard, for a single row that leasehold_%s inserts', (role) => {
  const append = (instance: string, values: Record<string, unknown>): Promise<void> =>
    insert(cluster[role], 'executions', { instance_id: `${role}-${instance}`, ...values });

  it('LH001: a gap', async () => {
    expect(await codeOf(append('gap', row(2)))).toBe('LH001');
    await append('gap', row(1));
    expect(await codeOf(append('gap', row(3, { kind: 'completed' })))).toBe('LH001');
  });

  it('LH002: a stale token', async () => {
    await append('stale', row(1));
    const older = { kind: 'interrupted', body: '{"reason": "crash"}', fencing_token: 9 };
    expect(await codeOf(append('stale', row(2, older)))).toBe('LH002');
    await append('stale', row(2, { ...older, fencing_token: 11 }));
    const decided = { kind: 'decided', body: '{"as": "rerun", "by": "x", "reason": "y"}' };
    expect(await codeOf(append('stale', row(3, { ...decided, fencing_token: 10 })))).toBe('LH002');
    await append('stale', row(3, { ...decided, fencing_token: 11 }));
  });

  it('LH002: a receipt under a stale token', async () => {
    await append('stale-receipt', row(1));
    const receipt = {
      request_id: `${role}-old`,
      instance_id: `${role}-stale-receipt`,
      last_seq: 1,
      receipt: '{}',
    };
    expect(await codeOf(insert(cluster[role], 'requests', { ...receipt, fencing_token: 9 }))).toBe(
      'LH002',
    );
  });

  it.each([
    ['an outcome without its intent', [], row(1, { kind: 'completed' })],
    [
      'an interruption of nothing',
      [],
      row(1, { kind: 'interrupted', body: '{"reason": "crash"}' }),
    ],
    ['a decision of nothing', [], row(1, { kind: 'decided', body: '{"as": "rerun"}' })],
    ['a second open attempt', [row(1)], row(2, { attempt: 2 })],
    ['another cell while one is open', [row(1)], row(2, { cell_id: 'b' })],
    [
      'an outcome under a foreign token',
      [row(1)],
      row(2, { kind: 'completed', fencing_token: 11 }),
    ],
    ['a failure under a foreign token', [row(1)], row(2, { kind: 'failed', fencing_token: 11 })],
    ["another cell's outcome", [row(1)], row(2, { kind: 'completed', cell_id: 'b' })],
    ["another attempt's outcome", [row(1)], row(2, { kind: 'completed', attempt: 2 })],
    ['a second outcome', [row(1), row(2, { kind: 'completed' })], row(3, { kind: 'failed' })],
    [
      'an attempt of a cell that is completed',
      [row(1), row(2, { kind: 'completed' })],
      row(3, { attempt: 2 }),
    ],
    [
      'an attempt after an undecided interruption',
      [row(1), row(2, { kind: 'interrupted', body: '{"reason": "crash"}' })],
      row(3, { attempt: 2 }),
    ],
    [
      'an outcome after the interruption',
      [row(1), row(2, { kind: 'interrupted', body: '{"reason": "crash"}' })],
      row(3, { kind: 'completed' }),
    ],
    [
      'any verdict but rerun after not_started',
      [row(1), row(2, { kind: 'interrupted', body: '{"reason": "not_started"}' })],
      row(3, { kind: 'decided', body: '{"as": "succeeded"}' }),
    ],
    ['anything after a refuted', [row(1, { kind: 'refuted' })], row(2, { cell_id: 'b' })],
    [
      'an interruption for no known reason',
      [row(1)],
      row(2, { kind: 'interrupted', body: '{"reason": "boredom"}' }),
    ],
  ])('LH003: %s', async (what, before, refused) => {
    const instance = what.replaceAll(/[^a-z]/g, '-');
    for (const one of before) await append(instance, one);
    expect(await codeOf(append(instance, refused))).toBe('LH003');
  });

  it('accepts the whole chain in order', async () => {
    const lost = { kind: 'interrupted', body: '{"reason": "crash"}', fencing_token: 12 };
    const again = {
      kind: 'decided',
      body: '{"as": "rerun", "by": "x", "reason": "y"}',
      fencing_token: 12,
    };
    const chain = [
      row(1),
      row(2, lost),
      row(3, again),
      row(4, { attempt: 2, fencing_token: 12 }),
      row(5, { attempt: 2, kind: 'failed', fencing_token: 12 }),
      row(6, { attempt: 3, fencing_token: 13 }),
      row(7, { attempt: 3, kind: 'completed', fencing_token: 13 }),
      row(8, { cell_id: 'b', kind: 'satisfied', fencing_token: 13 }),
      row(9, { cell_id: 'c', kind: 'refuted', fencing_token: 14 }),
    ];
    for (const one of chain) await append('whole', one);
    // A seq that is taken is the key's to refuse.
    expect(
      await codeOf(append('whole', row(9, { cell_id: 'c', kind: 'refuted', fencing_token: 14 }))),
    ).toBe('23505');
  });
});

describe('the namespace', () => {
  it('is recorded: a replica of another one refuses to start, and names both', async () => {
    const refused = await cluster.cli(['advancer', '--json'], { LEASEHOLD_NAMESPACE: 'elsewhere' });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('elsewhere');
    expect(refused.stderr).toContain(cluster.namespace);
    expect(refused.stdout).not.toContain('"ready"');
  });

  it('is not changed by migrating for another one, and migrating again is harmless', async () => {
    const other = await cluster.cli(['migrate', '--json'], { LEASEHOLD_NAMESPACE: 'elsewhere' });
    expect(other.code).toBe(1);
    expect(other.stderr).toContain(cluster.namespace);
    const again = await cluster.cli(['migrate', '--json']);
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({ namespace: cluster.namespace });
  });
});

describe('a database with the numbering from before the baseline', () => {
  it('is refused by migrate and by a replica; both say what to do', async () => {
    const owner = await freshDatabase();
    const app = new URL(owner);
    app.username = 'leasehold_app';
    const env = { LEASEHOLD_OWNER_DATABASE_URL: owner, LEASEHOLD_DATABASE_URL: app.href };
    expect((await cluster.cli(['migrate', '--json'], env)).code).toBe(0);
    // What those databases have in common: functions were part of the migrations.
    const client = new Client({ connectionString: owner });
    await client.connect();
    await client.query('drop table leasehold.functions');
    await client.end();
    for (const verb of ['migrate', 'advancer']) {
      const refused = await cluster.cli([verb, '--json'], env);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/cannot be upgraded: create a new database/);
      expect(refused.stdout).not.toContain('"ready"');
    }
  });
});
