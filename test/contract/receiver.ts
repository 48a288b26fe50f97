import {
  createServer,
  type IncomingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

/** One call that has arrived. */
export interface Arrival {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: unknown;
}

/**
 * The server that http cells call:
 *
 * - `/status/<code>/…` answers that code,
 * - `/hold/…` answers 201 once `release` is called for the path,
 * - `/reset/…` resets the connection once the whole call has arrived,
 * - any other path answers 201 and how often it was called.
 */
export class Receiver {
  readonly arrivals: Arrival[] = [];
  readonly url: string;
  readonly #server: Server;
  readonly #held = new Map<string, ServerResponse[]>();
  readonly #released = new Set<string>();
  #listeners: (() => void)[] = [];

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async listen(): Promise<Receiver> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const receiver = new Receiver(server);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('error', () => undefined);
      request.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const body: unknown = text === '' ? undefined : JSON.parse(text);
        const { method = '', url: path = '', headers } = request;
        receiver.#arrive({ method, path, headers, body }, response);
      });
    });
    return receiver;
  }

  /** How often a path was called. */
  count(path: string): number {
    return this.arrivals.filter((arrival) => arrival.path === path).length;
  }

  /** Resolves once a path was called for the nth time. */
  async arrived(path: string, nth = 1): Promise<Arrival> {
    for (;;) {
      const found = this.arrivals.filter((arrival) => arrival.path === path)[nth - 1];
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    }
  }

  /** Answers every held call of the path; later ones are answered at once. */
  release(path: string): void {
    this.#released.add(path);
    for (const response of this.#held.get(path) ?? []) this.#answer(response, 201, path);
    this.#held.delete(path);
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #arrive(arrival: Arrival, response: ServerResponse): void {
    this.arrivals.push(arrival);
    const { path } = arrival;
    const [, kind, argument] = path.split('/');
    if (kind === 'reset') response.socket?.resetAndDestroy();
    else if (kind === 'hold' && !this.#released.has(path)) {
      this.#held.set(path, [...(this.#held.get(path) ?? []), response]);
    } else this.#answer(response, kind === 'status' ? Number(argument) : 201, path);
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }

  #answer(response: ServerResponse, status: number, path: string): void {
    response.writeHead(status, { 'content-type': 'application/json' });
    const filler = path.startsWith('/large/') ? { filler: 'x'.repeat(300_000) } : {};
    response.end(JSON.stringify({ count: this.count(path), ...filler }));
  }
}
