import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { probeEtcd } from './etcd-server.ts';
import { freePort } from './free-port.ts';
import type { ServerBinary } from './server-binary.ts';
import { ServerProcess, ServerStartError } from './server-process.ts';
import type { Server } from './server-process.ts';
import type { Workspace } from './workspace.ts';

/** Several etcd members on loopback that form one cluster, each a process with separate data. */
export interface EtcdCluster {
  readonly members: readonly Server[];
  /** The current leader; undefined while no member claims to be it. */
  leader(): Promise<Server | undefined>;
}

interface MemberAddress {
  readonly name: string;
  readonly url: string;
  readonly peerUrl: string;
}

const STATUS_TIMEOUT_MS = 1_000;

/**
 * Starts a cluster of `size` members, without TLS and with etcd's default durability. Restart a
 * member with {@link Server.restart}, which resolves once the member answers and sees a leader; so
 * after a loss of the majority, restart the members concurrently.
 *
 * @throws ServerStartError
 */
export async function startEtcdCluster(
  binary: ServerBinary,
  workspace: Workspace,
  size = 3,
): Promise<EtcdCluster> {
  for (let tries = 1; ; tries += 1) {
    const dir = join(workspace.dir, `etcd-cluster-${tries}`);
    const addresses: MemberAddress[] = [];
    for (let index = 1; index <= size; index += 1)
      addresses.push(await freeAddress(`etcd-${index}`));
    const starts = await Promise.allSettled(
      addresses.map((address) => startMember(binary, workspace, dir, address, addresses)),
    );
    const members = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    const failed = starts.find((start) => start.status === 'rejected');
    if (failed === undefined) return { members, leader: () => leaderOf(members) };
    await Promise.all(members.map((member) => member.stop()));
    const cause: unknown = failed.reason;
    if (!(cause instanceof ServerStartError) || !cause.portIsTaken || tries === 5) throw cause;
  }
}

async function freeAddress(name: string): Promise<MemberAddress> {
  return {
    name,
    url: `http://127.0.0.1:${await freePort()}`,
    peerUrl: `http://127.0.0.1:${await freePort()}`,
  };
}

async function startMember(
  binary: ServerBinary,
  workspace: Workspace,
  dir: string,
  address: MemberAddress,
  all: readonly MemberAddress[],
): Promise<Server> {
  const { name, url, peerUrl } = address;
  const memberDir = join(dir, name);
  await mkdir(memberDir, { recursive: true });
  const cluster = all.map((one) => `${one.name}=${one.peerUrl}`).join(',');
  return ServerProcess.start({
    name: 'etcd',
    version: binary.version,
    url,
    command: binary.path,
    argv: [
      '--name',
      name,
      '--data-dir',
      join(memberDir, 'data'),
      '--initial-cluster',
      cluster,
      '--initial-cluster-token',
      dir,
      '--listen-client-urls',
      url,
      '--advertise-client-urls',
      url,
      '--listen-peer-urls',
      peerUrl,
      '--initial-advertise-peer-urls',
      peerUrl,
      '--logger',
      'zap',
      '--log-level',
      'warn',
    ],
    // Debian's etcd requires this on every architecture but amd64; other builds ignore it.
    env: process.arch === 'x64' ? {} : { ETCD_UNSUPPORTED_ARCH: process.arch },
    cwd: memberDir,
    logFile: join(memberDir, 'etcd.log'),
    probe: () => probeEtcd(url),
    watchdog: workspace.watchdog,
    stopping: workspace.stopping.signal,
  });
}

/** Asks every member: each knows its id and the leader's. */
async function leaderOf(members: readonly Server[]): Promise<Server | undefined> {
  const answers = await Promise.all(
    members.map(async (member) => {
      try {
        const response = await fetch(`${member.url}/v3/maintenance/status`, {
          method: 'POST',
          body: '{}',
          signal: AbortSignal.timeout(STATUS_TIMEOUT_MS),
        });
        const { header, leader } = (await response.json()) as {
          header?: { member_id?: string };
          leader?: string;
        };
        return header?.member_id !== undefined && header.member_id === leader ? member : undefined;
      } catch {
        return undefined;
      }
    }),
  );
  return answers.find((member) => member !== undefined);
}
