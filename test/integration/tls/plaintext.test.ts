import { describe, expect, it, onTestFinished } from 'vitest';

import { openLog } from '../../../advancer/log/postgres-log.ts';
import { migrate } from '../../../advancer/log/migrate.ts';
import { etcdStore } from '../../../coordinator/etcd/store.ts';
import { Agent } from '../../../src/agent/agent.ts';
import { connectBus } from '../../../src/bus/nats.ts';
import { plaintextServer } from '../../harness/plaintext-server.ts';

const info = {
  server_id: 'x',
  version: '2.15.1',
  proto: 1,
  headers: true,
  max_payload: 1_048_576,
  auth_required: true,
};
/** A NATS server, as far as a client can tell before it authenticates. */
const nats = (more: object = {}) =>
  plaintextServer({
    greeting: `INFO ${JSON.stringify({ ...info, ...more })}\r\n`,
    reply: (chunk) => (chunk.includes('PING') ? 'PONG\r\n' : undefined),
  });
const auth = { username: 'agent', password: 'hunter2' };

describe('a server without TLS gets nothing', () => {
  it('from a client of tls:// on NATS, with a password and no certificate', async () => {
    const server = await nats();
    const servers = [`tls://127.0.0.1:${server.port}`];
    await expect(connectBus({ servers, name: 'test', auth })).rejects.toThrow(
      /does not offer TLS, and LEASEHOLD_NATS_URLS asks for it \(nothing was sent\)/,
    );
    await expect(Agent.connect({ agentId: 'a', servers, auth })).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect(server.connections()).toBe(2);
    expect(server.received()).toBe('');
  });

  it('from such a client, when the server only claims to speak TLS', async () => {
    const server = await nats({ tls_required: true });
    const servers = [`tls://127.0.0.1:${server.port}`];
    await expect(
      connectBus({ servers, name: 'test', auth, connectTimeoutMs: 500 }),
    ).rejects.toThrow(/cannot connect/);
    expect(server.connections()).toBe(1);
    // The client's part of the handshake, and no CONNECT.
    expect(server.received().slice(0, 2)).toBe('\x16\x03');
    expect(server.received()).not.toMatch(/CONNECT|hunter2|agent/);
  });

  it('from a client of https:// on etcd, with a password', async () => {
    const server = await plaintextServer({ reply: () => 'HTTP/1.1 400 Bad Request\r\n\r\n' });
    const store = etcdStore({ hosts: `https://127.0.0.1:${server.port}`, auth });
    onTestFinished(() => store.close());
    await expect(store.grant(5)).rejects.toThrow(
      /does not offer TLS, and LEASEHOLD_ETCD_URLS asks for it/,
    );
    expect(server.received().slice(0, 2)).toBe('\x16\x03');
    expect(server.received()).not.toMatch(/hunter2|agent|PRI/);
  });

  it.each([
    'require',
    'prefer',
    'verify-ca',
    'verify-full',
    'no-verify',
    'require&uselibpqcompat=true',
  ])('from a client of Postgres with sslmode=%s', async (mode) => {
    // N: the server does not support TLS.
    const server = await plaintextServer({ reply: () => 'N' });
    const url = `postgres://agent:hunter2@127.0.0.1:${server.port}/db?sslmode=${mode}`;
    const log = openLog({ url, namespace: 'default' });
    onTestFinished(() => log.close());
    await expect(log.check()).rejects.toThrow(/does not offer TLS, and LEASEHOLD_DATABASE_URL/);
    await expect(migrate({ url, namespace: 'default' })).rejects.toThrow(
      /does not offer TLS, and LEASEHOLD_OWNER_DATABASE_URL/,
    );
    expect(server.connections()).toBeGreaterThanOrEqual(2);
    // Requests for TLS, and nothing else.
    expect(server.received().replaceAll('\0\0\0\x08\x04\xd2\x16\x2f', '')).toBe('');
  });
});

describe('an address with credentials', () => {
  it('is rejected by an agent and not shown', async () => {
    const servers = ['nats://agent:hunter2@127.0.0.1:4222'];
    await expect(Agent.connect({ agentId: 'a', servers })).rejects.toMatchObject({
      code: 'invalid',
      field: 'servers',
    });
    await expect(connectBus({ servers, name: 'x' })).rejects.toThrow(
      /^"nats:\/\/agent:\*\*\*@127\.0\.0\.1:4222" has a user name; set LEASEHOLD_NATS_USERNAME/,
    );
  });

  it('may be of one kind only', async () => {
    const servers = ['nats://127.0.0.1:1', 'tls://127.0.0.1:1'];
    await expect(connectBus({ servers, name: 'x' })).rejects.toThrow(/mix nats:\/\/ and tls:\/\//);
  });
});
