import { mkdir } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import type { ServerBinary } from './server-binary.ts';
import { ServerProcess } from './server-process.ts';
import type { Server } from './server-process.ts';
import type { Workspace } from './workspace.ts';
import { dataDirIn, onFreePort } from './workspace.ts';

export interface NatsOptions {
  /** Default: a free one. */
  readonly port?: number | undefined;
  /** The loopback port of HTTP monitoring (`/varz`). Default: no monitoring. */
  readonly monitorPort?: number | undefined;
  /** A configuration file for other settings, such as permissions to publish. */
  readonly configFile?: string | undefined;
  /** Variables that the configuration file refers to. */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/** Starts nats-server with JetStream, on loopback and without TLS. */
export async function startNats(
  binary: ServerBinary,
  workspace: Workspace,
  { port: fixedPort, monitorPort, configFile, env }: NatsOptions = {},
): Promise<Server> {
  const dir = join(workspace.dir, 'nats');
  await mkdir(dir, { recursive: true });
  return onFreePort(
    (port) =>
      ServerProcess.start({
        name: 'nats',
        version: binary.version,
        url: `nats://127.0.0.1:${port}`,
        command: binary.path,
        argv: [
          '-a',
          '127.0.0.1',
          '-p',
          String(port),
          '-js',
          '-sd',
          dataDirIn(dir, workspace, port),
          ...(monitorPort === undefined ? [] : ['-m', String(monitorPort)]),
          ...(configFile === undefined ? [] : ['-c', configFile]),
        ],
        env,
        cwd: dir,
        logFile: join(dir, 'nats.log'),
        probe: () => probeNats(port),
        watchdog: workspace.watchdog,
        stopping: workspace.stopping.signal,
      }),
    fixedPort,
  );
}

/** Resolves if a nats-server answers on the port and has JetStream enabled. */
export function probeNats(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    let greeting = '';
    const settle = (error?: Error): void => {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.setTimeout(2_000, () => {
      settle(new Error('nats-server accepts connections but sends no INFO'));
    });
    socket.on('error', settle);
    socket.on('close', () => {
      settle(new Error('nats-server closed the connection'));
    });
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      greeting += chunk;
      if (!greeting.includes('\r\n')) return;
      const hasJetStream = /^INFO \{.*"jetstream":\s*true/.test(greeting);
      settle(
        hasJetStream
          ? undefined
          : new Error(`not a NATS server with JetStream: ${greeting.slice(0, 200)}`),
      );
    });
  });
}
