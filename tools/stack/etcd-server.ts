import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import type { ServerBinary } from './server-binary.ts';
import { ServerProcess } from './server-process.ts';
import type { Server } from './server-process.ts';
import type { Workspace } from './workspace.ts';
import { dataDirIn, onFreePort } from './workspace.ts';

/** Starts etcd with one member, on loopback, without TLS and with etcd's default durability. */
export async function startEtcd(
  binary: ServerBinary,
  workspace: Workspace,
  { port: fixedPort }: { port?: number | undefined } = {},
): Promise<Server> {
  const dir = join(workspace.dir, 'etcd');
  await mkdir(dir, { recursive: true });
  return onFreePort(async (port) => {
    const url = `http://127.0.0.1:${port}`;
    const peerUrl = `http://127.0.0.1:${await freePort()}`;
    return ServerProcess.start({
      name: 'etcd',
      version: binary.version,
      url,
      command: binary.path,
      argv: etcdArgv(dataDirIn(dir, workspace, port), url, peerUrl),
      // Debian's etcd requires this on every architecture but amd64; other builds ignore it.
      env: process.arch === 'x64' ? {} : { ETCD_UNSUPPORTED_ARCH: process.arch },
      cwd: dir,
      logFile: join(dir, 'etcd.log'),
      probe: () => probeEtcd(url),
      watchdog: workspace.watchdog,
      stopping: workspace.stopping.signal,
    });
  }, fixedPort);
}

function etcdArgv(dataDir: string, url: string, peerUrl: string): string[] {
  const name = 'leasehold-local';
  const client = ['--listen-client-urls', url, '--advertise-client-urls', url];
  const peer = ['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl];
  const cluster = [
    '--name',
    name,
    '--data-dir',
    dataDir,
    '--initial-cluster',
    `${name}=${peerUrl}`,
  ];
  return [...cluster, ...client, ...peer, '--logger', 'zap', '--log-level', 'warn'];
}

/** Resolves if etcd reports that it is healthy: it has a leader and can commit. */
export async function probeEtcd(url: string): Promise<void> {
  const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(2_000) });
  const body = (await response.json()) as { health?: unknown };
  if (body.health !== 'true')
    throw new Error(`etcd at ${url} is not healthy: ${JSON.stringify(body)}`);
}
