import { chmod, chown, mkdir, rename, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

import { locateServer } from '../../tools/stack/locate.ts';
import { startNats } from '../../tools/stack/nats-server.ts';
import { startPostgres } from '../../tools/stack/postgres-server.ts';
import { querySql } from '../../tools/stack/postgres-wire.ts';
import { ServerProcess, type Server } from '../../tools/stack/server-process.ts';
import { freePort } from '../../tools/stack/free-port.ts';
import { unprivilegedUser } from '../../tools/stack/unprivileged-user.ts';
import { closeWorkspace, openWorkspace, type Workspace } from '../../tools/stack/workspace.ts';
import type { Certificate, TestAuthority } from './certificates.ts';

/** A folder of certificate files, which a test replaces while servers and clients run. */
export class CertificateFolder {
  readonly workspace: Workspace;
  readonly dir: string;

  private constructor(workspace: Workspace) {
    this.workspace = workspace;
    this.dir = join(workspace.dir, 'tls');
  }

  /** A new folder, with files of this authority; removed when the test is over. */
  static async open(authority: TestAuthority): Promise<CertificateFolder> {
    const workspace = await openWorkspace();
    onTestFinished(() => closeWorkspace(workspace));
    const folder = new CertificateFolder(workspace);
    await mkdir(folder.dir);
    await folder.replace(authority);
    return folder;
  }

  path(name: 'ca' | 'server' | 'serverKey' | 'client' | 'clientKey'): string {
    return join(this.dir, `${name}.pem`);
  }

  /** Replaces all files by certificates of another authority. */
  async replace(authority: TestAuthority): Promise<void> {
    await this.#write('ca', authority.ca);
    await this.replaceServer(authority.issue());
    await this.replaceClient(authority.issue({ name: 'leasehold_app' }));
  }

  async replaceServer({ cert, key }: Certificate): Promise<void> {
    await this.#write('server', cert);
    await this.#write('serverKey', key);
  }

  async replaceClient({ cert, key }: Certificate): Promise<void> {
    await this.#write('client', cert);
    await this.#write('clientKey', key);
  }

  /** In one step, as tools that rotate certificates do; Postgres reads its own. */
  async #write(name: 'ca' | 'server' | 'serverKey' | 'client' | 'clientKey', text: string) {
    const path = this.path(name);
    await writeFile(`${path}.new`, text);
    await chmod(`${path}.new`, name === 'serverKey' ? 0o600 : 0o644);
    const user = name === 'serverKey' ? await unprivilegedUser() : undefined;
    if (user !== undefined) await chown(`${path}.new`, user.uid, user.gid);
    await rename(`${path}.new`, path);
  }
}

/** A NATS server that requires TLS and a client's certificate. Stopped when the test is over. */
export async function startTlsNats(folder: CertificateFolder, more = ''): Promise<Server> {
  const configFile = join(folder.dir, 'nats.conf');
  await writeFile(
    configFile,
    `tls { cert_file: "${folder.path('server')}", key_file: "${folder.path('serverKey')}",
      ca_file: "${folder.path('ca')}", verify: true }\n${more}`,
  );
  const server = await startNats(await locateServer('nats'), folder.workspace, { configFile });
  onTestFinished(() => server.stop());
  return server;
}

/** An etcd that requires TLS and a client's certificate. Stopped when the test is over. */
export async function startTlsEtcd(folder: CertificateFolder): Promise<Server> {
  const [port, peerPort] = [await freePort(), await freePort()];
  const url = `https://127.0.0.1:${port}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const binary = await locateServer('etcd');
  const dir = join(folder.workspace.dir, 'etcd');
  await mkdir(dir);
  const server = await ServerProcess.start({
    name: 'etcd',
    version: binary.version,
    url,
    command: binary.path,
    argv: [
      `--name=one --data-dir=${join(dir, 'data')} --initial-cluster=one=${peerUrl}`,
      `--listen-client-urls=${url} --advertise-client-urls=${url}`,
      `--listen-peer-urls=${peerUrl} --initial-advertise-peer-urls=${peerUrl}`,
      `--cert-file=${folder.path('server')} --key-file=${folder.path('serverKey')}`,
      `--trusted-ca-file=${folder.path('ca')} --client-cert-auth --logger=zap --log-level=warn`,
    ].flatMap((line) => line.split(' ')),
    env: process.arch === 'x64' ? {} : { ETCD_UNSUPPORTED_ARCH: process.arch },
    cwd: dir,
    logFile: join(dir, 'etcd.log'),
    // A handshake that is refused for the missing certificate shows that it listens.
    probe: () => listensWithTls(url),
    watchdog: folder.workspace.watchdog,
    stopping: folder.workspace.stopping.signal,
  });
  onTestFinished(() => server.stop());
  return server;
}

/**
 * A Postgres whose role `leasehold_app` may log in over TLS and with a client's certificate only.
 * Stopped when the test is over.
 */
export async function startTlsPostgres(folder: CertificateFolder): Promise<Server> {
  const { workspace } = folder;
  const server = await startPostgres(await locateServer('postgres'), workspace, { durable: false });
  onTestFinished(() => server.stop());
  const hba = ['host all postgres 127.0.0.1/32 trust', 'hostssl all all 127.0.0.1/32 cert'].join(
    '\n',
  );
  const dataDir = join(workspace.dir, 'postgres', 'data');
  await writeFile(join(dataDir, 'pg_hba.conf'), `${hba}\n`);
  for (const [name, value] of [
    ['ssl_cert_file', folder.path('server')],
    ['ssl_key_file', folder.path('serverKey')],
    ['ssl_ca_file', folder.path('ca')],
    ['ssl', 'on'],
  ])
    await querySql(server.url, `ALTER SYSTEM SET ${name} = '${value}'`);
  await querySql(server.url, 'SELECT pg_reload_conf()');
  return server;
}

function listensWithTls(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const attempt = request(`${url}/health`, { rejectUnauthorized: false, timeout: 2_000 });
    attempt.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') reject(error);
      else resolve();
    });
    attempt.on('response', () => resolve());
    attempt.end();
  });
}
