import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { createConnection } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ServerNotFoundError } from '../../../../tools/stack/locate.ts';
import { startEtcd } from '../../../../tools/stack/etcd-server.ts';
import { querySql } from '../../../../tools/stack/postgres-wire.ts';
import { ServerStartError } from '../../../../tools/stack/server-process.ts';
import type { ServerName, Stack } from '../../../../tools/stack/servers.ts';
import { closeWorkspace, openWorkspace } from '../../../../tools/stack/workspace.ts';
import { freshDatabase, serversForTests, startPrivateStack } from '../../../harness/servers.ts';

const NAMES: readonly ServerName[] = ['etcd', 'nats', 'postgres'];

/** A request without an answer fails its test after this, well before the test's own time is up. */
const ANSWER_MS = 60_000;

const base64 = (text: string): string => Buffer.from(text).toString('base64');

async function etcdCall(url: string, path: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/v3/kv/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

async function etcdPut(url: string, key: string, value: string): Promise<void> {
  await etcdCall(url, 'put', { key: base64(key), value: base64(value) });
}

async function etcdGet(url: string, key: string): Promise<string | undefined> {
  const answer = (await etcdCall(url, 'range', { key: base64(key) })) as {
    kvs?: { value: string }[];
  };
  const value = answer.kvs?.[0]?.value;
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString();
}

/** One request over NATS' own protocol; the answer as JSON. */
async function natsRequest(
  url: string,
  subject: string,
  body: object,
): Promise<Record<string, unknown>> {
  const socket = createConnection({ host: '127.0.0.1', port: Number(new URL(url).port) });
  const deadline = setTimeout(() => {
    socket.destroy(new Error(`nats-server did not answer ${subject} within ${ANSWER_MS / 1000} s`));
  }, ANSWER_MS);
  try {
    // Each request has an inbox that no other one shares, so it can only get its own answer.
    const inbox = `_INBOX.${randomUUID()}`;
    const payload = JSON.stringify(body);
    socket.write(`CONNECT {"verbose":false}\r\nSUB ${inbox} 1\r\n`);
    socket.write(`PUB ${subject} ${inbox} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`);
    let received = '';
    for await (const chunk of socket.setEncoding('latin1')) {
      received += String(chunk);
      // Any whitespace separates the fields: nats-server 2.9 puts two spaces where the
      // acknowledgement of a publish has no reply subject.
      const head = new RegExp(`MSG ${inbox} 1 +(\\d+)\\r\\n`).exec(received);
      if (head === null) continue;
      const start = head.index + head[0].length;
      const end = start + Number(head[1]);
      if (received.length < end) continue;
      const answer = Buffer.from(received.slice(start, end), 'latin1').toString('utf8');
      return JSON.parse(answer) as Record<string, unknown>;
    }
    throw new Error(`nats-server closed the connection: ${received}`);
  } finally {
    clearTimeout(deadline);
    socket.destroy();
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // A process that nobody has reaped yet is dead all the same.
  return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

/** The stack's temporary folder, as etcd's working directory tells it. */
function dataDirOf(pid: number): string {
  return dirname(readlinkSync(`/proc/${pid}/cwd`));
}

describe('the shared servers', () => {
  it('give each test file a database of its own', async () => {
    const [first, second] = await Promise.all([freshDatabase(), freshDatabase()]);
    await querySql(first, 'CREATE TABLE mine (x int)');
    await expect(querySql(second, 'SELECT * FROM mine')).rejects.toMatchObject({ code: '42P01' });
    expect(serversForTests().etcdUrls).toHaveLength(1);
  });
});

describe('a private stack', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startPrivateStack();
  });
  afterAll(async () => {
    await stack.stop();
  });

  it('answers on every server', async () => {
    const etcdUrl = stack.server('etcd').url;
    await etcdPut(etcdUrl, 'hello', 'there');
    expect(await etcdGet(etcdUrl, 'hello')).toBe('there');
    const info = await natsRequest(stack.server('nats').url, '$JS.API.INFO', {});
    expect(info).toMatchObject({ type: 'io.nats.jetstream.api.v1.account_info_response' });
    expect(await querySql(stack.superuserUrl, 'SELECT current_user, current_database()')).toEqual([
      ['postgres', 'leasehold'],
    ]);
  });

  it('names the pids of the servers themselves, each in a process group of its own', () => {
    const programs = { etcd: 'etcd', nats: 'nats-server', postgres: 'postgres' };
    for (const name of NAMES) {
      const { pid } = stack.server(name);
      const program = basename(readlinkSync(`/proc/${pid}/exe`));
      expect(program).toBe(programs[name]);
      const processGroup = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ')[2];
      expect(Number(processGroup)).toBe(pid);
    }
  });

  it.each(['stop', 'kill'] as const)('keeps ports and data over %s and restart', async (way) => {
    const [etcd, nats, postgres] = NAMES.map((name) => stack.server(name));
    if (etcd === undefined || nats === undefined || postgres === undefined)
      throw new Error('a server is missing');
    const before = [etcd, nats, postgres].map(({ pid, url }) => ({ pid, url }));
    await etcdPut(etcd.url, way, 'kept');
    const config = { name: way, subjects: [`kept.${way}`], storage: 'file' };
    await natsRequest(nats.url, `$JS.API.STREAM.CREATE.${way}`, config);
    await natsRequest(nats.url, `kept.${way}`, { kept: true });
    await querySql(stack.superuserUrl, `CREATE TABLE kept_${way} AS SELECT 42 AS x`);

    for (const server of [etcd, nats, postgres]) {
      const { pid } = server;
      if (way === 'kill') server.kill();
      else await server.stop();
      await vi.waitUntil(() => !isAlive(pid), { timeout: 60_000 });
      await server.restart();
      expect(server.pid).not.toBe(pid);
    }

    expect([etcd, nats, postgres].map(({ url }) => url)).toEqual(before.map(({ url }) => url));
    expect(await etcdGet(etcd.url, way)).toBe('kept');
    const stream = await natsRequest(nats.url, `$JS.API.STREAM.INFO.${way}`, {});
    expect(stream).toMatchObject({ state: { messages: 1 } });
    expect(await querySql(stack.superuserUrl, `SELECT x FROM kept_${way}`)).toEqual([['42']]);
  });

  it('gives URLs for other roles', async () => {
    await querySql(stack.superuserUrl, 'CREATE ROLE reader LOGIN');
    const url = await stack.createDatabase('second');
    expect(await stack.createDatabase('second')).toBe(url);
    expect(
      await querySql(
        stack.roleUrl('reader', 'any', 'second'),
        'SELECT current_user, current_database()',
      ),
    ).toEqual([['reader', 'second']]);
  });

  it('starts nothing in the place of a server that is given', async () => {
    const given = { natsUrls: stack.natsUrls, postgresUrl: stack.superuserUrl };
    const partial = await startPrivateStack({ given });
    try {
      expect(partial.servers.map(({ name }) => name)).toEqual(['etcd']);
      expect(partial.natsUrls).toEqual(stack.natsUrls);
      expect(partial.superuserUrl).toBe(stack.superuserUrl);
      expect(() => partial.server('nats')).toThrow('was given');
    } finally {
      await partial.stop();
    }
    await querySql(stack.superuserUrl, 'SELECT 1');
  });
});

describe('stopping', () => {
  it('leaves no process and no data behind, and may be asked for twice', async () => {
    const stack = await startPrivateStack();
    const pids = stack.servers.map(({ pid }) => pid);
    const dir = dataDirOf(stack.server('etcd').pid);
    expect(pids.map(isAlive)).toEqual([true, true, true]);
    expect(existsSync(dir)).toBe(true);
    await Promise.all([stack.stop(), stack.stop()]);
    expect(pids.map(isAlive)).toEqual([false, false, false]);
    expect(existsSync(dir)).toBe(false);
  });

  it.each(['about to start', 'just started'])(
    'ends a server that is %s again, and lets none start later',
    async (moment) => {
      const { etcdUrls, superuserUrl } = serversForTests();
      const stack = await startPrivateStack({ given: { etcdUrls, postgresUrl: superuserUrl } });
      const nats = stack.server('nats');
      const before = nats.pid;
      await nats.stop();
      const restarting = nats.restart();
      restarting.catch(() => undefined);
      if (moment === 'just started') await vi.waitUntil(() => nats.pid !== before, { interval: 1 });
      await stack.stop();
      await expect(restarting).rejects.toThrow('its stack is being stopped');
      expect(isAlive(nats.pid)).toBe(false);
      await expect(nats.restart()).rejects.toThrow('its stack is being stopped');
      expect(isAlive(nats.pid)).toBe(false);
    },
  );

  it('is done by the watchdog when the owner is killed', async () => {
    const module = pathToFileURL(
      join(import.meta.dirname, '../../../../tools/stack/servers.ts'),
    ).href;
    const program = `
      import { startStack } from ${JSON.stringify(module)};
      const stack = await startStack({ durable: false });
      console.log(JSON.stringify(stack.servers.map(({ pid }) => pid)));
      setInterval(() => {}, 1000);`;
    const argv = ['--import', 'tsx', '--input-type=module', '-e', program];
    const owner = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface(owner.stdout), 'line')) as [string];
    const pids = JSON.parse(line) as number[];
    const dir = dataDirOf(pids[0] ?? 0);
    expect(pids.map(isAlive)).toEqual([true, true, true]);
    owner.kill('SIGKILL');
    await vi.waitUntil(() => !pids.some(isAlive) && !existsSync(dir), { timeout: 60_000 });
  });
});

describe('a server that does not start', () => {
  it('is reported with the end of its log', async () => {
    const workspace = await openWorkspace();
    try {
      const notEtcd = {
        name: 'etcd',
        version: '0.0.0',
        path: process.execPath,
        from: 'path',
      } as const;
      const failure = startEtcd(notEtcd, workspace);
      await expect(failure).rejects.toThrow(ServerStartError);
      await expect(failure).rejects.toThrow(/etcd ended while starting[^]*bad option/);
    } finally {
      await closeWorkspace(workspace);
    }
  });
});

describe('older series', () => {
  it('can be had by name: etcd 3.4 and nats-server 2.9', async (context) => {
    const given = { postgresUrl: serversForTests().superuserUrl };
    const series = { etcd: '3.4', nats: '2.9' };
    const stack = await startPrivateStack({ given, series }).catch((error: unknown) => {
      if (error instanceof ServerNotFoundError)
        return context.skip(`not to be had here: ${error.message}`);
      throw error;
    });
    try {
      expect(stack.server('etcd').version).toMatch(/^3\.4\./);
      expect(stack.server('nats').version).toMatch(/^2\.9\./);
      await etcdPut(stack.server('etcd').url, 'k', 'v');
      expect(await etcdGet(stack.server('etcd').url, 'k')).toBe('v');
    } finally {
      await stack.stop();
    }
  });
});
