import { existsSync } from 'node:fs';
import { chown, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it, type TestContext } from 'vitest';

import type { Stack } from '../../../tools/stack/servers.ts';
import { freePort } from '../../../tools/stack/free-port.ts';
import { querySql } from '../../../tools/stack/postgres-wire.ts';
import { eventually, TestCluster } from '../../harness/replicas.ts';
import { serversForTests, startPrivateStack } from '../../harness/servers.ts';
import { notReadyFor, readiness } from '../../harness/readiness.ts';

const STANDBY = /^Postgres: the database is a standby \(in recovery\).*must lead to the primary$/;

let stack: Stack;
let cluster: TestCluster;
/** Where the private Postgres keeps its data, if that is on this machine. */
let dataDir: string;

beforeAll(async () => {
  const { etcdUrls, natsUrls } = serversForTests();
  stack = await startPrivateStack({ given: { etcdUrls, natsUrls } });
  cluster = await TestCluster.start({
    servers: { etcdUrls, natsUrls, superuserUrl: await stack.createDatabase('standby') },
  });
  const [[dir] = []] = await querySql(stack.superuserUrl, 'show data_directory');
  dataDir = dir ?? '';
  await cluster.pushRunbook({
    runbook: 'one',
    version: 1,
    cells: [{ id: 'say', exec: { command: ['echo', 'hello'] } }],
  });
});
afterAll(async () => {
  await cluster?.stop();
  await stack?.stop();
});

/** Starts the same cluster as a standby: it replays what it has, and waits for more. */
async function becomeStandby(context: TestContext): Promise<void> {
  if (!existsSync(dataDir)) context.skip(`the data of Postgres is not on this machine: ${dataDir}`);
  const signal = join(dataDir, 'standby.signal');
  await stack.server('postgres').stop();
  await writeFile(signal, '');
  const { uid, gid } = await stat(dataDir);
  await chown(signal, uid, gid);
  await stack.server('postgres').restart();
}

async function promote(): Promise<void> {
  await querySql(stack.superuserUrl, 'select pg_promote()');
}

it('a replica whose database is a standby is not ready and names why, until it is promoted', async (context) => {
  await becomeStandby(context);
  const port = await freePort();
  const started = cluster.startReplica('early', { LEASEHOLD_HTTP_PORT: String(port) });
  started.catch(() => undefined);
  expect((await notReadyFor(STANDBY, `http://127.0.0.1:${port}`)).code).toBe(503);
  await promote();
  const replica = await started;
  expect(await readiness(replica)).toMatchObject({ code: 200, reasons: [] });
  await cluster.start('i-1', 'one');
  expect(await cluster.advance('i-1', 'r-1')).toMatchObject({ outcome: 'completed' });
  replica.terminate();
  await replica.exited;
});

it('a replica whose database becomes a standby is no longer ready, and is again after its promotion', async (context) => {
  const replica = await cluster.startReplica('running');
  await cluster.start('i-2', 'one');
  await becomeStandby(context);
  expect((await notReadyFor(STANDBY, replica.httpUrl)).code).toBe(503);
  await promote();
  await eventually(async () => ((await readiness(replica)).code === 200 ? true : undefined));
  expect(await cluster.advance('i-2', 'r-2')).toMatchObject({ outcome: 'completed' });
  // Nothing was lost or written twice on the way.
  expect((await cluster.rows('i-2')).map(({ kind }) => kind)).toEqual(['started', 'completed']);
  replica.terminate();
  await replica.exited;
});
