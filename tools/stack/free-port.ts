import { createServer } from 'node:net';
import { randomInt } from 'node:crypto';

/**
 * Ports come from below the range that systems use for outgoing connections (from 32768 on Linux,
 * 49152 elsewhere). Otherwise, while a server is down, a client that keeps connecting to its port
 * could be given that port as its local port, connect to itself, and block the server.
 */
const LOWEST_PORT = 20_000;
const HIGHEST_PORT = 31_999;

/** The ports that were returned last: their callers may not listen on them yet. */
const recentPorts: number[] = [];
const MAX_RECENT = 1_000;

/**
 * A loopback TCP port that no process listens on, and that was not returned recently.
 *
 * @throws Error if none was found
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 200; tries += 1) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT + 1);
    if (recentPorts.includes(port)) continue;
    recentPorts.push(port);
    if (recentPorts.length > MAX_RECENT) recentPorts.shift();
    if (await canListen(port)) return port;
  }
  throw new Error(`no free loopback port between ${LOWEST_PORT} and ${HIGHEST_PORT}`);
}

/** Whether this process can listen on this loopback port now. */
async function canListen(port: number): Promise<boolean> {
  return (await listenProblem(port)) === undefined;
}

/** Why this process cannot listen on this loopback port; undefined if it can. */
export function listenProblem(port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', resolve);
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      probe.close(() => {
        resolve(undefined);
      });
    });
  });
}
