import { createServer } from 'node:net';
import { randomInt } from 'node:crypto';

/**
 * Ports are taken from below the range that systems hand to outgoing connections (from 32768
 * on Linux, 49152 elsewhere): while a server is down, a client that keeps dialling its port
 * could otherwise be given that very port as its own, connect to itself, and keep the server out.
 */
const LOWEST_PORT = 20_000;
const HIGHEST_PORT = 31_999;

/** The ports that were handed out last: whoever asked for one may not listen on it yet. */
const handedOut: number[] = [];
const REMEMBERED = 1_000;

/**
 * A loopback TCP port that nobody listens on just now, and that this process has not been told of
 * lately.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 200; tries += 1) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT + 1);
    if (handedOut.includes(port)) continue;
    handedOut.push(port);
    if (handedOut.length > REMEMBERED) handedOut.shift();
    if (await canListen(port)) return port;
  }
  throw new Error(`no free loopback port between ${LOWEST_PORT} and ${HIGHEST_PORT}`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(false);
    });
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
}
