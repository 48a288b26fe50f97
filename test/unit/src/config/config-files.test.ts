import { describe, expect, it } from 'vitest';

import { etcdConnection, readConfig } from '../../../../src/config/config.ts';
import { authority, enough, file, files, own } from './config-files.ts';

describe('the files that the configuration names', () => {
  it('reads certificates and credentials', () => {
    const config = readConfig(
      {
        ...enough,
        LEASEHOLD_ETCD_URLS: 'https://e:2379',
        LEASEHOLD_ETCD_CA_FILE: '/there/ca',
        LEASEHOLD_ETCD_CERT_FILE: '/there/cert',
        LEASEHOLD_ETCD_KEY_FILE: '/there/key',
        LEASEHOLD_NATS_CREDS_FILE: '/there/creds',
        LEASEHOLD_NATS_CA_FILE: '/there/ca',
      },
      file,
    );
    expect(config.nats.tls?.()).toEqual({ ca: authority.ca });
    const { auth } = config.nats;
    expect(auth !== undefined && 'credentials' in auth && auth.credentials()).toBe(
      'content of the credentials',
    );
    const { hosts, tls } = etcdConnection(config.etcd);
    expect(hosts).toEqual(['https://e:2379']);
    expect(tls?.()).toEqual({ ca: authority.ca, ...own });
  });

  it('reads certificates again each time they are asked for', () => {
    const now = { ...files };
    const read = (path: string): string => now[path] ?? file(path);
    const env = {
      ...enough,
      LEASEHOLD_NATS_CERT_FILE: '/there/cert',
      LEASEHOLD_NATS_KEY_FILE: '/there/key',
    };
    const { tls } = readConfig(env, read).nats;
    const renewed = authority.issue();
    now['/there/cert'] = renewed.cert;
    expect(() => tls?.()).toThrow(/CERT_FILE and LEASEHOLD_NATS_KEY_FILE do not belong together/);
    now['/there/key'] = renewed.key;
    expect(tls?.()).toEqual(renewed);
    expect(tls?.()).toBe(tls?.());
  });
});
