import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { openLog } from '../../../../advancer/log/postgres-log.ts';
import { run } from '../../../../cli/program.ts';
import type { Stack } from '../../../../tools/stack/servers.ts';
import { roleUrl } from '../../../../tools/stack/servers.ts';
import { serversForTests, startPrivateStack } from '../../../harness/servers.ts';
import { TestTerminal } from '../../../harness/test-terminal.ts';

let stack: Stack;
let folder: string;
/** Of the superuser, with the password. */
let superuserUrl: string;

beforeAll(async () => {
  const { etcdUrls, natsUrls } = serversForTests();
  stack = await startPrivateStack({ given: { etcdUrls, natsUrls } });
  folder = await mkdtemp(join(tmpdir(), 'leasehold-passwords-'));
  superuserUrl = stack.roleUrl('postgres', 'of postgres');
  const client = new Client({ connectionString: stack.superuserUrl });
  await client.connect();
  await client.query(`alter role postgres password 'of postgres'`);
  const { rows } = await client.query<{ hba_file: string }>('show hba_file');
  const file = rows[0]!.hba_file;
  await writeFile(file, (await readFile(file, 'utf8')).replaceAll('trust', 'scram-sha-256'));
  await client.query('select pg_reload_conf()');
  await client.end();
}, 240_000);

afterAll(async () => {
  await stack.stop();
  await rm(folder, { recursive: true });
});

async function migrate(env: Record<string, string>): Promise<{ code: number; err: string }> {
  const terminal = new TestTerminal({ LEASEHOLD_NAMESPACE: 'secret', ...env });
  const code = await run(['migrate'], terminal);
  return { code, err: terminal.errText };
}

/** What opening the log with this URL ends in. */
async function opened(url: string): Promise<string> {
  const log = openLog({ url, namespace: 'secret' });
  try {
    await log.open('app');
    return 'open';
  } catch (cause) {
    return String(cause);
  } finally {
    await log.close();
  }
}

it('migrate works on a server that asks for passwords, step by step', async () => {
  const owner = { LEASEHOLD_OWNER_DATABASE_URL: superuserUrl };

  const wrong = await migrate({ LEASEHOLD_OWNER_DATABASE_URL: stack.superuserUrl });
  expect([wrong.code, wrong.err]).toEqual([
    1,
    expect.stringContaining('Postgres asks for a password, and the URL has none'),
  ]);

  // Without passwords for the roles, it says which variables to set.
  const bare = await migrate(owner);
  expect(bare.code).toBe(0);
  for (const part of ['APP', 'OWNER']) {
    expect(bare.err).toMatch(
      new RegExp(`has no password, .*set LEASEHOLD_${part}_PASSWORD .*run .leasehold migrate`),
    );
  }
  expect(await opened(roleUrl(superuserUrl, 'leasehold_app', 'of app'))).toMatch(
    /Postgres refuses the connection: password authentication failed/,
  );

  const file = join(folder, 'owner');
  await writeFile(file, 'of owner\n');
  const set = await migrate({
    ...owner,
    LEASEHOLD_APP_PASSWORD: 'of app',
    LEASEHOLD_OWNER_PASSWORD_FILE: file,
  });
  expect(set).toEqual({ code: 0, err: '' });
  expect(await opened(roleUrl(superuserUrl, 'leasehold_app', 'of app'))).toBe('open');

  // From now on the owner can do it, with the same environment.
  const asOwner = {
    LEASEHOLD_OWNER_DATABASE_URL: roleUrl(superuserUrl, 'leasehold_owner', 'of owner'),
    LEASEHOLD_OWNER_PASSWORD_FILE: file,
  };
  expect(await migrate({ ...asOwner, LEASEHOLD_APP_PASSWORD: 'of app' })).toMatchObject({
    code: 0,
  });
  const other = await migrate({ ...asOwner, LEASEHOLD_APP_PASSWORD: 'another' });
  expect(other.code).toBe(1);
  expect(other.err).toContain('cannot connect as leasehold_app with LEASEHOLD_APP_PASSWORD');

  const differ = await migrate({
    ...owner,
    LEASEHOLD_APP_PASSWORD: 'of app',
    LEASEHOLD_DATABASE_URL: roleUrl(superuserUrl, 'leasehold_app', 'else'),
  });
  expect([differ.code, differ.err]).toEqual([
    2,
    expect.stringContaining('has another password than LEASEHOLD_APP_PASSWORD'),
  ]);
});

it('migrate exits 5, with a hint, when Postgres is down', async () => {
  await stack.server('postgres').stop();
  const { code, err } = await migrate({ LEASEHOLD_OWNER_DATABASE_URL: superuserUrl });
  expect([code, err]).toEqual([
    5,
    expect.stringMatching(/ECONNREFUSED[\s\S]*check that Postgres is running/),
  ]);
});
