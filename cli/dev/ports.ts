import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { ConfigError } from '../../src/config/config.ts';
import { listenProblem } from '../../tools/stack/free-port.ts';
import type { ExternalServers } from './environment.ts';

/** What dev starts that has a port which can be fixed. */
export const PORT_NAMES = ['etcd', 'nats', 'postgres', 'ledger'] as const;

/** Ports by name; a free one is used where none is given. */
export type DevPorts = Partial<Record<(typeof PORT_NAMES)[number], number | undefined>>;

/**
 * The ports to use: those that options name, and those of the last run with the same data as far as
 * they are free, so that URLs stay valid from run to run.
 *
 * @throws ConfigError if a port that an option names is taken
 */
export async function choosePorts(fixed: DevPorts, dataDir: string | undefined): Promise<DevPorts> {
  const last = dataDir === undefined ? {} : await lastPorts(dataDir);
  const ports: DevPorts = {};
  const problems: string[] = [];
  for (const name of PORT_NAMES) {
    const port = fixed[name] ?? last[name];
    if (port === undefined) continue;
    const other = PORT_NAMES.find((one) => ports[one] === port);
    const problem =
      other === undefined
        ? problemText(await listenProblem(port))
        : `it is ${other}'s port too; choose another port`;
    if (problem === undefined) ports[name] = port;
    else if (fixed[name] !== undefined) problems.push(`--${name}-port ${port}: ${problem}`);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return ports;
}

function problemText(problem: NodeJS.ErrnoException | undefined): string | undefined {
  switch (problem?.code) {
    case undefined:
      return problem?.message;
    case 'EADDRINUSE':
      return 'another process listens on this port; stop it, or choose another port';
    case 'EACCES':
      return 'this user may not listen on it; choose a port from 1024 up';
    default:
      return `${problem?.message}; choose another port`;
  }
}

/** @throws ConfigError if a port is fixed of a server that dev does not start */
export function refusePortsOfGiven(ports: DevPorts, external: ExternalServers): void {
  const given = {
    etcd: external.etcdUrls !== undefined && 'LEASEHOLD_ETCD_URLS (or --etcd)',
    nats: external.natsUrls !== undefined && 'LEASEHOLD_NATS_URLS (or --nats)',
    postgres:
      (external.ownerDatabaseUrl ?? external.databaseUrl) !== undefined &&
      'LEASEHOLD_OWNER_DATABASE_URL or LEASEHOLD_DATABASE_URL',
  };
  const problems = Object.entries(given).flatMap(([name, variable]) =>
    variable !== false && ports[name as keyof typeof given] !== undefined
      ? [`--${name}-port is for a server that dev starts, and ${variable} names one; remove either`]
      : [],
  );
  if (problems.length > 0) throw new ConfigError(problems);
}

/** Stores the ports of this run for the next one with the same data. */
export async function rememberPorts(dataDir: string, ports: DevPorts): Promise<void> {
  await writeFile(portsFile(dataDir), `${JSON.stringify(ports, undefined, 2)}\n`);
}

async function lastPorts(dataDir: string): Promise<DevPorts> {
  try {
    return JSON.parse(await readFile(portsFile(dataDir), 'utf8')) as DevPorts;
  } catch {
    // The first run has none, and any other ports do as well.
    return {};
  }
}

function portsFile(dataDir: string): string {
  return join(resolve(dataDir), 'ports.json');
}

/** The port of a URL. */
export function portOf(url: string): number {
  return Number(new URL(url).port);
}
