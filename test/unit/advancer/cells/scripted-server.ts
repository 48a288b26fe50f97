import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import type { CellOutcome } from '../../../../advancer/cells/cells.ts';
import type { ExecCell } from '../../../../src/runbook/runbook.ts';
import { run } from './fixture.ts';

const servers: { close(): void }[] = [];

/** Has {@link closeServers} close it too. */
export function closeLater(server: { close(): void }): void {
  servers.push(server);
}

/** Closes the servers of the test that ends. */
export function closeServers(): void {
  for (const server of servers.splice(0)) server.close();
}

/** Listens on a free port; its URL. */
export async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export interface Received {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}

/** A server that answers each request with `answer`, and keeps what it received. */
export async function serve(
  answer: (request: Received, response: ServerResponse) => void,
): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  const server = createHttpServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      const one = { method, url, headers, body };
      received.push(one);
      answer(one, response);
    });
  });
  servers.push({
    close() {
      server.close();
      server.closeAllConnections();
    },
  });
  return { url: await listening(server), received };
}

/** A server that calls `onData` with each connection on which something arrived. */
export async function serveRaw(
  onData: (socket: Socket) => void,
): Promise<{ url: string; arrived: Promise<void> }> {
  let announce = (): void => undefined;
  const arrived = new Promise<void>((resolve) => (announce = resolve));
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => {
      announce();
      onData(socket);
    });
  });
  servers.push({
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
  return { url: await listening(server), arrived };
}

/** Runs a cell that makes this http call. */
export function call(
  http: {
    url: string;
    method?: 'GET' | 'POST' | 'HEAD';
    headers?: Record<string, string>;
    body?: ExecCellBody;
    refused?: number[];
    notBegun?: number[];
    unknown?: number[];
  },
  fields: Partial<ExecCell> = {},
): Promise<CellOutcome> {
  return run({ exec: { http: { method: 'POST', ...http } }, ...fields });
}
type ExecCellBody = Extract<ExecCell['exec'], { http: unknown }>['http']['body'];
