import { describe, expect, it } from 'vitest';

import { etcdStore } from '../../../coordinator/etcd/store.ts';
import { connectBus } from '../../../src/bus/nats.ts';
import { TestAuthority } from '../../harness/certificates.ts';
import { CertificateFolder, startTlsEtcd, startTlsNats } from '../../harness/tls-servers.ts';

const authority = new TestAuthority();
const tls = { ca: authority.ca, ...authority.issue() };

describe("a server's certificate must be for the address in the URL", () => {
  it.each([
    [['127.0.0.1'], '127.0.0.1', true],
    [['localhost'], 'localhost', true],
    [['localhost'], '127.0.0.1', false],
    [['other.example'], '127.0.0.1', false],
    [['other.example'], 'localhost', false],
  ])('of NATS: %s for %s', async (hosts, host, isRight) => {
    const folder = await CertificateFolder.open(authority);
    await folder.replaceServer(authority.issue({ name: 'nats', hosts }));
    const server = await startTlsNats(folder);
    const servers = [server.url.replace('nats:', 'tls:').replace('127.0.0.1', host)];
    const found = await connectBus({ servers, name: 'test', tls }).then(
      (bus) => bus.close().then(() => 'connected'),
      (error: Error) => error.message,
    );
    expect(found).toMatch(isRight ? /^connected$/ : /is for other names than the host in LEASE/);
  });

  it('of etcd', async () => {
    const folder = await CertificateFolder.open(authority);
    await folder.replaceServer(authority.issue({ name: 'etcd', hosts: ['localhost'] }));
    const server = await startTlsEtcd(folder);
    const store = etcdStore({ hosts: server.url, tls, callTimeoutMs: 5_000 });
    const named = etcdStore({ hosts: server.url.replace('127.0.0.1', 'localhost'), tls });
    try {
      await expect(store.read(['/x'])).rejects.toThrow(/is for other names than the host in LEASE/);
      expect((await named.read(['/x'])).entries).toEqual([undefined]);
    } finally {
      store.close();
      named.close();
    }
  });
});
