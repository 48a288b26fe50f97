import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { candidateVersion, retargetSources } from '../../../../tools/stack/apt-sources.ts';
import { composeArgv, composeEnv, composeUrl } from '../../../../tools/stack/compose.ts';
import { freePort } from '../../../../tools/stack/free-port.ts';
import {
  ServerNotFoundError,
  allowedRoutes,
  locateServer,
} from '../../../../tools/stack/locate.ts';
import {
  compareVersions,
  isOfSeries,
  parseVersion,
} from '../../../../tools/stack/server-binary.ts';
import { REPLICA_NODE_OPTIONS, replicaArgv } from '../../../../tools/stack/replica-argv.ts';
import { ServerStartError } from '../../../../tools/stack/server-process.ts';
import { roleUrl } from '../../../../tools/stack/servers.ts';
import { onFreePort } from '../../../../tools/stack/workspace.ts';

describe('a replica', () => {
  it('runs with the same Node options from the main script and from tools', async () => {
    const root = join(import.meta.dirname, '../../../..');
    const build = await readFile(join(root, 'scripts', 'build.mjs'), 'utf8');
    expect(build).toContain(`'node ${REPLICA_NODE_OPTIONS.join(' ')} "$0" "$@"'`);
    expect(replicaArgv('/p').slice(0, REPLICA_NODE_OPTIONS.length)).toEqual([
      ...REPLICA_NODE_OPTIONS,
    ]);
  });
});

describe('versions', () => {
  it.each([
    ['etcd Version: 3.5.30\nGit SHA: x', '3.5.30'],
    ['nats-server: v2.15.1', '2.15.1'],
    ['postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)', '15.18'],
    ['no such thing', undefined],
  ])('are read from %j', (text, version) => {
    expect(parseVersion(text)).toBe(version);
  });

  it('are ordered numerically, not alphabetically', () => {
    expect(['3.10.1', '3.9', '3.4.23', '3.5'].toSorted(compareVersions)).toEqual([
      '3.4.23',
      '3.5',
      '3.9',
      '3.10.1',
    ]);
  });

  it('belong to a series by whole numbers', () => {
    expect(isOfSeries('3.5.30', '3.5')).toBe(true);
    expect(isOfSeries('3.50.1', '3.5')).toBe(false);
    expect(isOfSeries('3.4.23', undefined)).toBe(true);
  });
});

describe('apt sources', () => {
  it('keep the mirror and the key, and drop suites without a counterpart', () => {
    const system = [
      'Types: deb deb-src',
      '# a comment',
      'URIs: http://mirror.test/debian',
      'Suites: bookworm bookworm-updates',
      'Components: main contrib',
      'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg',
      '',
      'Types: deb',
      'URIs: http://mirror.test/debian-security',
      'Suites: bookworm-security',
      'Components: main',
    ].join('\n');
    expect(retargetSources(system, 'bookworm', 'forky')).toBe(
      [
        'Types: deb',
        'Suites: forky',
        'Components: main',
        'URIs: http://mirror.test/debian',
        'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg',
        '',
      ].join('\n'),
    );
  });

  it('are read in the one-line format, too', () => {
    const system = [
      '# deb http://off.test/debian bookworm main',
      'deb [arch=amd64 signed-by=/k.gpg] http://mirror.test/debian bookworm main contrib',
      'deb http://mirror.test/debian-security bookworm-security main',
      'deb-src http://mirror.test/debian bookworm main',
    ].join('\n');
    expect(retargetSources(system, 'bookworm', 'sid').trim().split('\n')).toEqual([
      'Types: deb',
      'URIs: http://mirror.test/debian',
      'Suites: sid',
      'Components: main',
      'Signed-By: /k.gpg',
    ]);
  });

  it.each([
    ['  Installed: (none)\n  Candidate: 3.4.23-4+b4\n', '3.4.23'],
    ['  Candidate: 2:2.10.27~rc1-1+b2\n', '2.10.27'],
    ['  Candidate: (none)\n', undefined],
    ['', undefined],
  ])('name a candidate: %j', (policy, version) => {
    expect(candidateVersion(policy)).toBe(version);
  });
});

describe('the Compose route', () => {
  it('names its project and file in every call', () => {
    expect(composeArgv('p1', '/x/docker-compose.yml', 'up', '--wait', 'etcd')).toEqual([
      'compose',
      '--project-name',
      'p1',
      '--file',
      '/x/docker-compose.yml',
      'up',
      '--wait',
      'etcd',
    ]);
  });

  it('passes the ports to the Compose file and finds the servers there', () => {
    const ports = { etcd: 20001, nats: 20002, postgres: 20003 };
    expect(composeEnv(ports)).toEqual({
      LEASEHOLD_ETCD_PORT: '20001',
      LEASEHOLD_NATS_PORT: '20002',
      LEASEHOLD_POSTGRES_PORT: '20003',
    });
    expect(composeUrl('etcd', 20001)).toBe('http://127.0.0.1:20001');
    expect(composeUrl('nats', 20002)).toBe('nats://127.0.0.1:20002');
    expect(composeUrl('postgres', 20003)).toBe('postgres://postgres@127.0.0.1:20003/leasehold');
  });
});

describe('ports', () => {
  it('are all different, though nothing listens on any of them yet', async () => {
    const ports = await Promise.all(Array.from({ length: 600 }, () => freePort()));
    expect(new Set(ports).size).toBe(ports.length);
  });

  it('are free, and below the range of outgoing connections', async () => {
    const port = await freePort();
    expect(port).toBeLessThan(32_768);
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
    await new Promise((resolve) => server.close(resolve));
  });

  it('are replaced when another process takes one first', async () => {
    const tried: number[] = [];
    const got = await onFreePort((port) => {
      tried.push(port);
      if (tried.length < 3)
        throw new ServerStartError('ended', 'listen tcp: bind: address already in use');
      return Promise.resolve(port);
    });
    expect(tried).toHaveLength(3);
    expect(got).toBe(tried[2]);
  });

  it('are not replaced after any other failure', async () => {
    let tries = 0;
    const start = (): Promise<never> => {
      tries += 1;
      return Promise.reject(new ServerStartError('ended', 'no space left on device'));
    };
    await expect(onFreePort(start)).rejects.toThrow('no space left on device');
    expect(tries).toBe(1);
  });
});

describe('finding a server', () => {
  it('says how to install a server that no route has', async () => {
    const cache = await mkdtemp(join(tmpdir(), 'leasehold-test-'));
    try {
      const env = {
        PATH: '/nonexistent',
        LEASEHOLD_CACHE_DIR: cache,
        LEASEHOLD_STACK_ROUTES: 'docker',
      };
      const failure = locateServer('etcd', { env });
      await expect(failure).rejects.toThrow(ServerNotFoundError);
      await expect(failure).rejects.toThrow(/apt-get install etcd-server[^]*LEASEHOLD_ETCD_BIN/);
    } finally {
      await rm(cache, { recursive: true, force: true });
    }
  });

  it('names the variable that points to a missing file', async () => {
    const env = { LEASEHOLD_NATS_SERVER_BIN: '/nonexistent/nats-server' };
    await expect(locateServer('nats', { env })).rejects.toThrow(
      /LEASEHOLD_NATS_SERVER_BIN=.*correct or unset/,
    );
  });

  it('rejects an unknown route', () => {
    expect(allowedRoutes({ LEASEHOLD_STACK_ROUTES: 'fetch, path' })).toEqual(['path', 'fetch']);
    expect(() => allowedRoutes({ LEASEHOLD_STACK_ROUTES: 'cloud' })).toThrow(
      'LEASEHOLD_STACK_ROUTES',
    );
  });
});

describe('role URLs', () => {
  it('have user, password and database escaped', () => {
    const base = 'postgres://postgres@127.0.0.1:20003/leasehold';
    expect(roleUrl(base, 'leasehold_app')).toBe(
      'postgres://leasehold_app@127.0.0.1:20003/leasehold',
    );
    expect(roleUrl(base, 'a', 'p@ss', 'd b')).toBe('postgres://a:p%40ss@127.0.0.1:20003/d%20b');
  });
});
