import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
  await cluster.pushRunbook({
    runbook: 'one',
    version: 1,
    inputs: [],
    cells: [{ id: 'a', exec: { command: ['true'] } }],
  });
});

afterAll(() => cluster?.stop());

/** The URL of a server that listens on IPv4, over IPv6. */
async function overIpv6(url: string): Promise<string> {
  const target = new URL(url);
  const port = Number(target.port);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    }
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '::1', resolve);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  target.host = `[::1]:${(server.address() as AddressInfo).port}`;
  return target.href;
}

/** Starts a replica with these addresses: what an instance on it comes to, twice. */
async function outcomes(name: string, env: NodeJS.ProcessEnv): Promise<unknown[]> {
  const replica = await cluster.startReplica(name, env);
  onTestFinished(async () => {
    replica.kill();
    await replica.exited;
  });
  await cluster.start(name, 'one');
  const { outcome } = await cluster.advance(name, `${name}-1`);
  const shown = await cluster.cli(['status', name, '--json'], env);
  return [outcome, (JSON.parse(shown.stdout) as { status: string }).status];
}

describe('a replica leads, and the command line reaches it, with', () => {
  const url = (name: 'ETCD' | 'NATS'): string =>
    cluster.env[`LEASEHOLD_${name}_URLS`]?.split(',')[0] ?? '';
  const database = (): string => cluster.env['LEASEHOLD_DATABASE_URL'] ?? '';

  it('trailing slashes', async () => {
    const env = {
      LEASEHOLD_ETCD_URLS: `${url('ETCD')}/`,
      LEASEHOLD_NATS_URLS: `${url('NATS')}/`,
      LEASEHOLD_DATABASE_URL: `${database()}/`,
    };
    expect(await outcomes('slash', env)).toEqual(['completed', 'completed']);
  });

  it('spaces, empty entries and several hosts', async () => {
    const env = {
      LEASEHOLD_ETCD_URLS: ` ${url('ETCD')} , ${url('ETCD')}/ ,`,
      LEASEHOLD_NATS_URLS: ` ${url('NATS')} ,, ${url('NATS')} `,
      LEASEHOLD_DATABASE_URL: ` ${database()} `,
    };
    expect(await outcomes('several', env)).toEqual(['completed', 'completed']);
  });

  it('IPv6', async () => {
    const env = {
      LEASEHOLD_ETCD_URLS: await overIpv6(url('ETCD')),
      LEASEHOLD_NATS_URLS: await overIpv6(url('NATS')),
      LEASEHOLD_DATABASE_URL: await overIpv6(database()),
    };
    expect(await outcomes('ipv6', env)).toEqual(['completed', 'completed']);
  });
});

it.each([
  ['LEASEHOLD_ETCD_URLS', 'http://127.0.0.1:2379 http://127.0.0.1:2380'],
  ['LEASEHOLD_ETCD_URLS', 'http://root:secret@127.0.0.1:2379'],
  ['LEASEHOLD_ETCD_URLS', 'http://127.0.0.1:2379/v3'],
  ['LEASEHOLD_NATS_URLS', 'nats://user:secret@127.0.0.1:4222'],
  ['LEASEHOLD_NATS_URLS', 'nats://127.0.0.1:4222 nats://127.0.0.1:4223'],
  ['LEASEHOLD_DATABASE_URL', 'postgres://app:secret@127.0.0.1,127.0.0.2/leasehold'],
  ['LEASEHOLD_DATABASE_URL', 'postgres://app:secret@127.0.0.1:5432,127.0.0.2:5432/leasehold'],
  ['LEASEHOLD_DATABASE_URL', 'postgres://app:secret@127.0.0.1:5432/'],
])('a replica with %s=%s names it and exits 2', async (name, value) => {
  const { code, stderr } = await cluster.cli(['advancer'], { [name]: value });
  expect(code).toBe(2);
  expect(stderr).toContain(name);
  expect(stderr).not.toContain('secret');
});

it('a stream that captures the subjects is named, to agents and by replicas', async () => {
  const captured = await TestCluster.start({ replicas: 0 });
  onTestFinished(() => captured.stop());
  const manager = await captured.nats.jetstreamManager();
  const stream = `CAPTURE_${captured.namespace.replaceAll('-', '_')}`;
  await manager.streams.add({ name: stream, subjects: [`leasehold.${captured.namespace}.>`] });
  onTestFinished(async () => {
    await manager.streams.delete(stream);
  });
  await Promise.all([captured.startReplica('a'), captured.startReplica('b')]);
  const why = `the JetStream stream ${stream} captures leasehold.${captured.namespace}.`;
  for (const args of [
    ['start', 'x', '--runbook', 'one'],
    ['status', 'x'],
    ['advance', 'x'],
    ['enqueue', 'x'],
    ['claim', 'c', 'ok'],
    ['decide', 'x', '--cell', 'a', '--attempt', '1', '--as', 'rerun', '--reason', 'r'],
  ]) {
    const { code, stdout, stderr } = await captured.cli(args);
    expect(stdout + stderr).toContain(`${why}${args[0]}`);
    expect(code).toBe(5);
  }
});
