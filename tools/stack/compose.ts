import { join } from 'node:path';
import { packageRoot } from './cache-dir.ts';
import { runCommand, tailOf } from './command.ts';
import { probeEtcd } from './etcd-server.ts';
import { freePort } from './free-port.ts';
import { probeNats } from './nats-server.ts';
import { DEFAULT_DATABASE, probePostgres } from './postgres-server.ts';
import type { ServerName } from './server-binary.ts';
import type { Server } from './server-process.ts';
import type { Workspace } from './workspace.ts';

/** The loopback ports on which the services are published. */
export type ComposePorts = Readonly<Record<ServerName, number>>;

/** Whether a Docker engine runs. It asks the engine, because a client without one is common. */
export async function engineRuns(): Promise<boolean> {
  const info = await runCommand('docker', ['info', '--format', '{{.ServerVersion}}'], {
    timeoutMs: 15_000,
  });
  if (info.code !== 0 || info.stdout.trim() === '') return false;
  const compose = await runCommand('docker', ['compose', 'version'], { timeoutMs: 15_000 });
  return compose.code === 0;
}

/** The arguments for `docker` that run a command on one project of the Compose file. */
export function composeArgv(
  project: string,
  file: string,
  ...command: readonly string[]
): string[] {
  return ['compose', '--project-name', project, '--file', file, ...command];
}

/** The variables that the Compose file substitutes. */
export function composeEnv(ports: ComposePorts): Record<string, string> {
  return {
    LEASEHOLD_ETCD_PORT: String(ports.etcd),
    LEASEHOLD_NATS_PORT: String(ports.nats),
    LEASEHOLD_POSTGRES_PORT: String(ports.postgres),
  };
}

/** The URL of a service that is published on this port. */
export function composeUrl(name: ServerName, port: number): string {
  switch (name) {
    case 'etcd':
      return `http://127.0.0.1:${port}`;
    case 'nats':
      return `nats://127.0.0.1:${port}`;
    case 'postgres':
      return `postgres://postgres@127.0.0.1:${port}/${DEFAULT_DATABASE}`;
  }
}

function probe(name: ServerName, port: number): Promise<void> {
  switch (name) {
    case 'etcd':
      return probeEtcd(composeUrl(name, port));
    case 'nats':
      return probeNats(port);
    case 'postgres':
      return probePostgres(composeUrl(name, port));
  }
}

/** Services that were started together. */
export interface ComposeProject {
  readonly servers: readonly Server[];
  /** Removes containers, networks and volumes. */
  down(): Promise<void>;
}

/** Starts services of `docker-compose.yml` as a new project, and waits until they are healthy. */
export async function startCompose(
  names: readonly ServerName[],
  workspace: Workspace,
  fixedPorts: Readonly<Partial<Record<ServerName, number | undefined>>> = {},
): Promise<ComposeProject> {
  const project = `leasehold-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const file = join(packageRoot(), 'docker-compose.yml');
  const ports = {
    etcd: fixedPorts.etcd ?? (await freePort()),
    nats: fixedPorts.nats ?? (await freePort()),
    postgres: fixedPorts.postgres ?? (await freePort()),
  };
  const env = { ...process.env, ...composeEnv(ports) };
  const docker = async (...command: string[]): Promise<string> => {
    const result = await runCommand('docker', composeArgv(project, file, ...command), {
      env,
      timeoutMs: 600_000,
    });
    if (result.code !== 0)
      throw new Error(`docker compose ${command[0]} failed:\n${tailOf(result.stderr)}`);
    return result.stdout.trim();
  };
  const down = async (): Promise<void> => {
    await docker('down', '--volumes', '--timeout', '5');
  };
  const downArgv = composeArgv(project, file, 'down', '--volumes', '--timeout', '5');
  workspace.watchdog.runAtEnd(['docker', ...downArgv]);

  const pidOf = async (name: ServerName): Promise<number> => {
    const container = await docker('ps', '--quiet', name);
    const inspected = await runCommand('docker', [
      'inspect',
      '--format',
      '{{.State.Pid}}',
      container,
    ]);
    return Number(inspected.stdout.trim());
  };
  const serverOf = async (name: ServerName): Promise<Server> => {
    let pid = await pidOf(name);
    return {
      name,
      url: composeUrl(name, ports[name]),
      version: 'compose',
      get pid() {
        return pid;
      },
      stop: async () => {
        await docker('stop', name);
      },
      kill: () => {
        void docker('kill', '--signal', 'SIGKILL', name).catch(() => undefined);
      },
      restart: async () => {
        await docker('stop', name);
        await docker('up', '--detach', '--wait', '--no-deps', name);
        await probe(name, ports[name]);
        pid = await pidOf(name);
      },
    };
  };

  try {
    await docker('up', '--detach', '--wait', ...names);
    const servers: Server[] = [];
    for (const name of names) {
      await probe(name, ports[name]);
      servers.push(await serverOf(name));
    }
    return { servers, down };
  } catch (error) {
    await down().catch(() => undefined);
    throw error;
  }
}
