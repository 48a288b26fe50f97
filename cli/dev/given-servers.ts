import { connect } from 'node:net';

import { errorText } from '../../src/error-text.ts';
import type { ExternalServers } from './environment.ts';

/** A server that the environment names does not answer. */
class ServerUnreachable extends Error {
  override readonly name = 'ServerUnreachable';
}

const TIMEOUT_MS = 5_000;
const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  'http:': 80,
  'https:': 443,
  'nats:': 4222,
  'tls:': 4222,
  'postgres:': 5432,
  'postgresql:': 5432,
};

/**
 * Connects to the servers that the environment names, before anything is started: replicas would
 * wait for them, because a server may come back.
 *
 * @throws ServerUnreachable naming the variable, if none of its addresses accepts a connection
 */
export async function reachGivenServers(external: ExternalServers): Promise<void> {
  const { etcdUrls, natsUrls, databaseUrl, ownerDatabaseUrl } = external;
  const given: readonly (readonly [variable: string, urls: readonly string[] | undefined])[] = [
    ['LEASEHOLD_ETCD_URLS', etcdUrls],
    ['LEASEHOLD_NATS_URLS', natsUrls],
    ['LEASEHOLD_DATABASE_URL', databaseUrl === undefined ? undefined : [databaseUrl]],
    [
      'LEASEHOLD_OWNER_DATABASE_URL',
      ownerDatabaseUrl === undefined ? undefined : [ownerDatabaseUrl],
    ],
  ];
  await Promise.all(
    given.map(async ([variable, urls = []]) => {
      const problems = await Promise.all(urls.map(problemAt));
      if (problems.length === 0 || problems.includes(undefined)) return;
      throw new ServerUnreachable(
        `${variable} names a server that does not answer (${problems.join('; ')}): start it, or ` +
          'leave that out, and dev starts one',
      );
    }),
  );
}

/** Why nothing can be connected to at the URL; it names the address, and no password. */
function problemAt(url: string): Promise<string | undefined> {
  const { protocol, hostname, port, searchParams } = new URL(url);
  // A database may be reached through a socket or a host that the query names.
  if (hostname === '' || searchParams.has('host')) return Promise.resolve(undefined);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return new Promise((resolve) => {
    const socket = connect(Number(port) || (DEFAULT_PORTS[protocol] ?? 0), host);
    const settle = (problem: string | undefined): void => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(TIMEOUT_MS, () => settle(`${host} does not answer within 5 s`));
    socket.once('connect', () => settle(undefined));
    socket.once('error', (cause) => settle(errorText(cause) || `${host} refuses the connection`));
  });
}
