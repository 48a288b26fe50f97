import { chmod, chown, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Client, type ClientConfig } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { roleUrl, type Stack } from '../../tools/stack/servers.ts';
import { TestAuthority } from '../harness/certificates.ts';
import { TestCluster } from '../harness/replicas.ts';
import { serversForTests, startPrivateStack } from '../harness/servers.ts';

const DEPLOY = join(import.meta.dirname, '..', '..', 'deploy', 'postgres');
const PASSWORDS = { leasehold_owner: 'of-the-owner', leasehold_app: 'of-the-app' };
type Role = keyof typeof PASSWORDS;

/** The networks in pg_hba.conf that a reader replaces. */
const NETWORKS = { app: '10.0.0.0/8', owner: '10.1.2.3/32' };
const HERE = '127.0.0.1/32';

const authority = new TestAuthority();

let stack: Stack;
let folder: string;
let cluster: TestCluster;

/** Runs statements as the superuser, who may still do so in the database `postgres`. */
async function asSuperuser(
  database: string,
  statements: readonly string[],
): Promise<Record<string, unknown>[]> {
  const client = new Client(roleUrl(stack.superuserUrl, 'postgres', undefined, database));
  await client.connect();
  let rows: Record<string, unknown>[] = [];
  for (const statement of statements)
    rows = (await client.query<Record<string, unknown>>(statement)).rows;
  await client.end();
  return rows;
}

/**
 * Runs a script as psql would. A machine with Postgres need not have psql, which besides asks for
 * passwords on a terminal.
 */
async function runScript(path: string, database: string): Promise<void> {
  const text = (await readFile(path, 'utf8')).replaceAll(':"database"', database);
  let at = 'postgres';
  let statements: string[] = [];
  for (const part of text.replaceAll(/^--.*$/gm, '').split(/^(\\.*)$/m)) {
    const [command = '', argument = ''] = part.trim().split(' ');
    if (command === '\\connect') {
      await asSuperuser(at, statements);
      at = argument;
      statements = [];
    } else if (command === '\\password') {
      statements.push(`alter role ${argument} password '${PASSWORDS[argument as Role]}'`);
    } else if (!command.startsWith('\\')) {
      statements.push(...part.split(';').filter((statement) => statement.trim() !== ''));
    }
  }
  await asSuperuser(at, statements);
}

/** Puts the template's lines above the server's own. */
let ownLines: string | undefined;
async function useRules(networks: { app: string; owner: string }): Promise<void> {
  const [{ hba_file: file } = {}] = await asSuperuser('postgres', ['show hba_file']);
  ownLines ??= await readFile(String(file), 'utf8');
  const template = await readFile(join(DEPLOY, 'pg_hba.conf'), 'utf8');
  const lines = template
    .replaceAll(NETWORKS.app, networks.app)
    .replaceAll(NETWORKS.owner, networks.owner);
  await writeFile(String(file), `${lines}\n${ownLines}`);
  await asSuperuser('postgres', ['select pg_reload_conf()']);
}

/** TLS with the authority's certificate; Postgres wants its key to itself. */
async function useTls(): Promise<void> {
  const [{ data_directory: dir } = {}] = await asSuperuser('postgres', ['show data_directory']);
  const { uid, gid } = await stat(String(dir));
  const { cert, key } = authority.issue();
  for (const [name, content] of [
    ['server.crt', cert],
    ['server.key', key],
  ] as const) {
    const path = join(String(dir), name);
    await writeFile(path, content);
    await chmod(path, 0o600);
    if (process.geteuid?.() === 0) await chown(path, uid, gid);
  }
  await asSuperuser('postgres', ['alter system set ssl = on', 'select pg_reload_conf()']);
}

/** The URL of a role, over TLS that verifies the server. */
function urlOf(role: Role): string {
  const url = new URL(roleUrl(stack.superuserUrl, role, PASSWORDS[role]));
  url.searchParams.set('sslmode', 'verify-full');
  url.searchParams.set('sslrootcert', join(folder, 'ca.pem'));
  return url.href;
}

/** What becomes of an attempt to log in: `in`, or the server's reason. */
async function login(user: string, config: ClientConfig = {}): Promise<string> {
  const client = new Client({
    host: '127.0.0.1',
    port: Number(new URL(stack.superuserUrl).port),
    database: 'leasehold',
    user,
    password: PASSWORDS[user as Role] ?? 'any',
    ssl: { ca: authority.ca },
    ...config,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return 'in';
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  } finally {
    await client.end().catch(() => undefined);
  }
}

beforeAll(async () => {
  const { etcdUrls, natsUrls } = serversForTests();
  stack = await startPrivateStack({ given: { etcdUrls, natsUrls } });
  folder = await mkdtemp(join(tmpdir(), 'leasehold-deploy-postgres-'));
  await writeFile(join(folder, 'ca.pem'), authority.ca);
  await asSuperuser('postgres', [
    'drop database leasehold',
    'create role intruder login superuser',
  ]);
  await useTls();
  await runScript(join(DEPLOY, 'roles.sql'), 'leasehold');
  await useRules({ app: HERE, owner: HERE });
  // `migrate` runs as the owner, without a superuser.
  cluster = await TestCluster.start({
    replicas: 2,
    servers: { etcdUrls, natsUrls, superuserUrl: urlOf('leasehold_owner') },
    env: {
      LEASEHOLD_DATABASE_URL: urlOf('leasehold_app'),
      LEASEHOLD_OWNER_DATABASE_URL: urlOf('leasehold_owner'),
    },
  });
}, 120_000);

afterAll(async () => {
  await cluster?.stop();
  await stack?.stop();
  await rm(folder, { recursive: true });
});

describe('deploy/postgres', () => {
  it('lets replicas and `runbook push` work as leasehold_app, over TLS', async () => {
    await cluster.pushRunbook({
      runbook: 'steps',
      version: 1,
      inputs: [],
      cells: ['one', 'two'].map((id) => ({ id, exec: { command: ['true'] } })),
    });
    await cluster.start('i', 'steps');
    const { holder } = await cluster.advance('i', 'r-1', { maxCells: 1 });
    cluster.byId(holder!.replicaId).kill();
    expect(await cluster.advance('i', 'r-2')).toMatchObject({ outcome: 'completed' });
    const sessions = await asSuperuser('postgres', [
      `select distinct usename, ssl from pg_stat_activity join pg_stat_ssl using (pid)
         where datname = 'leasehold' and application_name like '%leasehold%'`,
    ]);
    expect(sessions).toEqual([{ usename: 'leasehold_app', ssl: true }]);
  });

  it.each([
    ['change a row', `update leasehold.executions set attempt = 9`],
    ['delete a row', 'delete from leasehold.executions'],
    ['empty a table', 'truncate leasehold.executions'],
    ['turn off the guard', 'alter table leasehold.executions disable trigger all'],
    ['bypass the guard', `set session_replication_role = replica`],
    ['change the guard', 'drop schema leasehold cascade'],
    ['act as the owner', 'set role leasehold_owner'],
    ['create a table', 'create table public.mine (a int)'],
    ['create a temporary table', 'create temporary table mine (a int)'],
    ['create a schema', 'create schema mine'],
    ['create a role', 'create role mine'],
    ['read a file of the server', `select pg_read_file('PG_VERSION')`],
    ['run a program on the server', `copy (select 1) to program 'true'`],
  ])('the application may not %s', async (_what, sql) => {
    await expect(cluster.app.query(sql)).rejects.toMatchObject({ code: '42501' });
  });

  it('lets nobody else in, and nobody without TLS or with a wrong password', async () => {
    expect(await login('leasehold_app')).toBe('in');
    expect(await login('leasehold_app', { ssl: false })).toMatch(/pg_hba.conf rejects/);
    expect(await login('leasehold_owner', { ssl: false })).toMatch(/pg_hba.conf rejects/);
    expect(await login('leasehold_app', { password: 'guessed' })).toMatch(
      /password authentication/,
    );
    expect(await login('leasehold_app', { database: 'postgres' })).toMatch(/pg_hba.conf rejects/);
    expect(await login('intruder')).toMatch(/pg_hba.conf rejects/);
    expect(await login('postgres')).toMatch(/pg_hba.conf rejects/);
  });

  it('lets each role in from its own network only', async () => {
    await useRules({ app: HERE, owner: NETWORKS.owner });
    await expect.poll(() => login('leasehold_owner')).toMatch(/pg_hba.conf rejects/);
    expect(await login('leasehold_app')).toBe('in');
    await useRules({ app: NETWORKS.app, owner: HERE });
    await expect.poll(() => login('leasehold_app')).toMatch(/pg_hba.conf rejects/);
    expect(await login('leasehold_owner')).toBe('in');
  });
});
