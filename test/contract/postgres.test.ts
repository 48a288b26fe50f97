import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { freshDatabase } from '../harness/servers.ts';
import { codeOf, insert, row } from './postgres-rows.ts';

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
    'unattended boolean!',
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

const tables = Object.keys(TABLES);

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
    // A client that knows only the contract must be able to insert, so any other column is
    // optional.
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

  it('leaves the application no way to change the schema', async () => {
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

describe('the namespace', () => {
  it('is recorded: a replica of another namespace refuses to start, and names both', async () => {
    const refused = await cluster.cli(['advancer', '--json'], { LEASEHOLD_NAMESPACE: 'elsewhere' });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('elsewhere');
    expect(refused.stderr).toContain(cluster.namespace);
    expect(refused.stdout).not.toContain('"ready"');
  });

  it('is not changed by migrating for another namespace, and migrating again is harmless', async () => {
    const other = await cluster.cli(['migrate', '--json'], { LEASEHOLD_NAMESPACE: 'elsewhere' });
    expect(other.code).toBe(1);
    expect(other.stderr).toContain(cluster.namespace);
    const again = await cluster.cli(['migrate', '--json']);
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({ namespace: cluster.namespace });
  });
});

describe('a database with the numbering from before the baseline', () => {
  it('is refused by migrate and by a replica; both messages say what to do', async () => {
    const owner = await freshDatabase();
    const app = new URL(owner);
    app.username = 'leasehold_app';
    const env = { LEASEHOLD_OWNER_DATABASE_URL: owner, LEASEHOLD_DATABASE_URL: app.href };
    expect((await cluster.cli(['migrate', '--json'], env)).code).toBe(0);
    // In those databases the functions were part of the migrations, so this table is missing.
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
