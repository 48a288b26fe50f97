import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { watchMachine } from '../harness/busy.ts';
import { freshDatabase } from '../harness/servers.ts';
import { TestCluster, eventually } from '../harness/replicas.ts';
import { FollowedProcess } from './child.ts';
import { keysUnder } from './etcd-gateway.ts';
import { Receiver } from './receiver.ts';
import { post, push } from './runbooks.ts';
import { ReadyLine, Receipt, jsonLines, read } from './shapes.ts';

let cluster: TestCluster;
let receiver: Receiver;
let folder: string;
const started: FollowedProcess[] = [];

beforeAll(async () => {
  [cluster, receiver, folder] = await Promise.all([
    TestCluster.start(),
    Receiver.listen(),
    mkdtemp(join(tmpdir(), 'leasehold-processes-')),
  ]);
  await push(cluster, post, {
    ...post,
    runbook: 'lazy',
    cells: [{ id: 'call', exec: { handler: 'lazy' } }],
  });
});

afterEach(() => Promise.all(started.splice(0).map((one) => one.end())));

afterAll(async () => {
  await cluster?.stop();
  await receiver?.close();
  await rm(folder, { recursive: true });
});

function advancer(env: NodeJS.ProcessEnv = {}): FollowedProcess {
  const child = FollowedProcess.leasehold(['advancer', '--json'], { ...cluster.env, ...env });
  started.push(child);
  return child;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The TTL that etcd granted to the session of a replica. */
async function grantedTtlS(replicaId: string): Promise<number> {
  const url = cluster.servers.etcdUrls[0] ?? '';
  const [key] = await keysUnder(url, `/leasehold/${cluster.namespace}/replicas/${replicaId}`);
  const response = await fetch(`${url}/v3/lease/timetolive`, {
    method: 'POST',
    body: JSON.stringify({ ID: key?.lease }),
  });
  return Number(((await response.json()) as { grantedTTL: string }).grantedTTL);
}

describe('leasehold advancer --json', () => {
  it('prints one line once ready; on SIGTERM it exits 0 and prints no other line', async () => {
    const child = advancer({ LEASEHOLD_REPLICA_NAME: 'lonely_1' });
    const ready = read(ReadyLine, await child.firstLine());
    expect(ready.replicaId).toMatch(/^lonely_1-[0-9a-f]{8}$/);
    expect(ready.pid).toBe(child.pid);
    await cluster.start('served', 'post', { url: `${receiver.url}/served` });
    expect(await cluster.advance('served', 'served-1')).toMatchObject({
      outcome: 'completed',
      holder: { replicaId: ready.replicaId },
    });
    child.signal('SIGTERM');
    expect(await child.exited).toEqual({ code: 0, signal: null });
    expect(jsonLines(child.stdout)).toEqual([ready]);
  });

  it('answers /livez and /readyz with 200, and nothing after it exits', async () => {
    const child = advancer();
    const { httpUrl } = read(ReadyLine, await child.firstLine());
    for (const path of ['/livez', '/readyz'])
      expect((await fetch(httpUrl + path)).status, `of ${path}`).toBe(200);
    child.signal('SIGTERM');
    await child.exited;
    await expect(fetch(`${httpUrl}/livez`)).rejects.toThrow('fetch failed');
  });

  it.each([
    ['etcd', 'LEASEHOLD_ETCD_URLS', 'http://127.0.0.1:9'],
    ['NATS', 'LEASEHOLD_NATS_URLS', 'nats://127.0.0.1:9'],
    ['Postgres', 'LEASEHOLD_DATABASE_URL', 'postgres://leasehold_app@127.0.0.1:9/x'],
  ])(
    'is live but not ready while %s cannot be reached, says why, and still exits 0',
    async (name, variable, url) => {
      const port = await freePort();
      const child = advancer({ [variable]: url, LEASEHOLD_HTTP_PORT: String(port) });
      const httpUrl = `http://127.0.0.1:${port}`;
      const live = await eventually(() => fetch(`${httpUrl}/livez`).catch(() => undefined));
      expect(live.status).toBe(200);
      const readyz = await fetch(`${httpUrl}/readyz`);
      expect(readyz.status).toBe(503);
      // It says what it waits for once it has started to connect.
      await eventually(async () => {
        const { reasons } = (await (await fetch(`${httpUrl}/readyz`)).json()) as {
          reasons: string[];
        };
        return reasons.some((reason) => reason.includes(name)) || undefined;
      });
      expect(child.stdout).toBe('');
      child.signal('SIGTERM');
      expect(await child.exited).toEqual({ code: 0, signal: null });
    },
  );

  it('exits 0 within 10 s of SIGTERM; the outcome of an effect that ends in time is written, any other effect is aborted', async (context) => {
    const machine = await watchMachine();
    const handlers = join(folder, 'lazy.mjs');
    await writeFile(
      handlers,
      `export const lazy = ({ inputs, signal }) => new Promise((_resolve, reject) => {
         fetch(inputs.url, { method: 'POST' });
         signal.addEventListener('abort', () => reject(new Error('aborted')));
       });`,
    );
    const child = advancer({ LEASEHOLD_HANDLERS: handlers });
    await child.firstLine();
    await cluster.start('in-time', 'post', { url: `${receiver.url}/hold/in-time` });
    await cluster.start('too-long', 'lazy', { url: `${receiver.url}/too-long` });
    const inTime = cluster.advance<unknown>('in-time', 'in-time-1');
    const tooLong = cluster
      .advance<unknown>('too-long', 'too-long-1', {}, 15_000)
      .catch(() => undefined);
    await Promise.all([receiver.arrived('/hold/in-time'), receiver.arrived('/too-long')]);
    const startMs = performance.now();
    child.signal('SIGTERM');
    receiver.release('/hold/in-time');
    expect(read(Receipt, await inTime).outcome).toBe('completed');
    expect(await child.exited).toEqual({ code: 0, signal: null });
    const tookMs = performance.now() - startMs;
    expect((await cluster.rows('in-time')).map(({ kind }) => kind)).toEqual([
      'started',
      'completed',
    ]);
    const rows = await cluster.rows('too-long');
    expect(rows.map(({ kind, body }) => [kind, body['reason']])).toEqual([
      ['started', undefined],
      ['interrupted', 'aborted'],
    ]);
    const left = await keysUnder(cluster.servers.etcdUrls[0], `/leasehold/${cluster.namespace}/`);
    // The secret of the namespace outlives its replicas.
    expect(left.map(({ key }) => key)).toEqual([`/leasehold/${cluster.namespace}/secrets`]);
    await tooLong;
    machine.skipIfBusy(context);
    expect(tookMs).toBeLessThan(10_000);
  });
});

describe('the environment', () => {
  it('LEASEHOLD_HTTP_PORT, _REPLICA_NAME and _LEASE_TTL_S are used', async () => {
    const port = await freePort();
    const child = advancer({
      LEASEHOLD_HTTP_PORT: String(port),
      LEASEHOLD_REPLICA_NAME: 'named',
      LEASEHOLD_LEASE_TTL_S: '7',
    });
    const ready = read(ReadyLine, await child.firstLine());
    expect(new URL(ready.httpUrl).port).toBe(String(port));
    expect(ready.replicaId).toMatch(/^named-[0-9a-f]{8}$/);
    expect(await grantedTtlS(ready.replicaId)).toBe(7);
    const second = advancer({ LEASEHOLD_HTTP_PORT: String(port) });
    expect(await second.exited).toEqual({ code: 2, signal: null });
    expect(second.stderr).toMatch(
      /^LEASEHOLD_HTTP_PORT: cannot listen on .*EADDRINUSE.*to another port, or to 0/m,
    );
  });

  it('does not start as a role that could change the log, unless LEASEHOLD_DATABASE_ROLE says so', async () => {
    for (const role of ['postgres', 'leasehold_owner']) {
      const url = new URL(cluster.servers.superuserUrl);
      url.username = role;
      const refused = advancer({ LEASEHOLD_DATABASE_URL: url.href });
      expect(await refused.exited).toEqual({ code: 1, signal: null });
      expect(refused.stderr).toContain(`connects as ${role}, `);
      expect(refused.stderr).toContain('or set LEASEHOLD_DATABASE_ROLE=any');
    }
  });

  it('by default the lease TTL is 5 s and the port is a free one', async () => {
    const [one, two] = [undefined, undefined].map(() =>
      advancer({ LEASEHOLD_LEASE_TTL_S: undefined, LEASEHOLD_HTTP_PORT: undefined }),
    );
    const first = read(ReadyLine, await one?.firstLine());
    const second = read(ReadyLine, await two?.firstLine());
    expect(await grantedTtlS(first.replicaId)).toBe(5);
    expect(first.httpUrl).not.toBe(second.httpUrl);
  });

  it('the namespace is `default` if none is set', async () => {
    const migrated = await cluster.cli(['migrate', '--json'], {
      LEASEHOLD_NAMESPACE: undefined,
      LEASEHOLD_OWNER_DATABASE_URL: await freshDatabase(),
    });
    expect(migrated.code).toBe(0);
    expect(JSON.parse(migrated.stdout)).toMatchObject({ namespace: 'default' });
  });

  it('URLs are lists; a NATS server of the list that is down does not matter', async () => {
    const etcdUrl = cluster.env['LEASEHOLD_ETCD_URLS'] ?? '';
    const child = advancer({
      LEASEHOLD_ETCD_URLS: `${etcdUrl},${etcdUrl}`,
      LEASEHOLD_NATS_URLS: `nats://127.0.0.1:9,${cluster.env['LEASEHOLD_NATS_URLS'] ?? ''}`,
    });
    read(ReadyLine, await child.firstLine());
    await cluster.start('listed', 'post', { url: `${receiver.url}/listed` });
    expect(await cluster.advance('listed', 'listed-1')).toMatchObject({ outcome: 'completed' });
  });

  it('LEASEHOLD_LOG_LEVEL=silent silences the log, but not the line on stdout', async () => {
    const child = advancer({ LEASEHOLD_LOG_LEVEL: 'silent' });
    read(ReadyLine, await child.firstLine());
    child.signal('SIGTERM');
    await child.exited;
    expect(child.stderr).toBe('');
  });

  it.each([
    ['LEASEHOLD_ETCD_URLS', undefined],
    ['LEASEHOLD_NATS_URLS', undefined],
    ['LEASEHOLD_DATABASE_URL', undefined],
    ['LEASEHOLD_NATS_URLS', 'not a url'],
    ['LEASEHOLD_NAMESPACE', 'a.b'],
    ['LEASEHOLD_REPLICA_NAME', 'a b'],
    ['LEASEHOLD_LEASE_TTL_S', 'five'],
    ['LEASEHOLD_HTTP_PORT', '99999'],
    ['LEASEHOLD_LOG_LEVEL', 'loud'],
    ['LEASEHOLD_HANDLERS', '/not/there.mjs'],
    ['LEASEHOLD_COMMAND_ENV', 'TOKEN=secret'],
    ['LEASEHOLD_COMMAND_USER', 'nobody-of-this-name'],
  ])('%s=%s is refused at start, by name', async (name, value) => {
    const child = advancer({ [name]: value });
    const { code } = await child.exited;
    expect(child.stderr).toContain(name);
    expect(code).toBe(2);
    expect(child.stdout).not.toContain('"ready"');
  });
});
