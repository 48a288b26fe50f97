import { createServer, connect } from 'node:net';
import type { Server, Socket } from 'node:net';

import { freePort } from '../stack/free-port.ts';
import type { Silence } from './faults.ts';

/** Where a proxy connects to. */
export interface Address {
  host: string;
  port: number;
}

/**
 * A TCP proxy on loopback that can fail in the ways networks fail. Otherwise it forwards
 * everything.
 *
 * - `silence`: nothing passes in one direction (or in both), and neither end gets an error. What
 *   was sent meanwhile arrives when the proxy heals, as TCP would retransmit it. New connections
 *   are accepted and equally silent.
 * - `reset`: every connection is reset; new ones work.
 * - `refuse`: every connection is reset; new ones are refused.
 * - `delay`: everything passes later, in order.
 */
export class FaultProxy {
  readonly port: number;
  readonly #target: Address;
  readonly #connections = new Set<ProxiedConnection>();
  readonly #conditions: Conditions = {
    silent: { to_server: false, to_client: false },
    delayMs: 0,
    jitterMs: 0,
  };
  #server: Server | undefined;

  private constructor(target: Address, port: number) {
    this.#target = target;
    this.port = port;
  }

  /** Opens a proxy to a server, on a free port. */
  static async open(target: Address): Promise<FaultProxy> {
    for (let tries = 1; ; tries += 1) {
      const proxy = new FaultProxy(target, await freePort());
      try {
        await proxy.#listen();
        return proxy;
      } catch (error) {
        if (tries === 10) throw error;
      }
    }
  }

  /** How many connections are open through it. */
  get connections(): number {
    return this.#connections.size;
  }

  silence(which: Silence): void {
    this.#conditions.silent = {
      to_server: which !== 'to_client',
      to_client: which !== 'to_server',
    };
    this.#apply();
  }

  delay(delayMs: number, jitterMs: number): void {
    this.#conditions.delayMs = delayMs;
    this.#conditions.jitterMs = jitterMs;
  }

  reset(): void {
    for (const connection of this.#connections) connection.reset();
  }

  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    this.reset();
    await closed;
  }

  /** Forwards everything again. */
  async heal(): Promise<void> {
    this.#conditions.silent = { to_server: false, to_client: false };
    this.delay(0, 0);
    this.#apply();
    for (let tries = 1; this.#server === undefined; tries += 1) {
      try {
        await this.#listen();
      } catch (error) {
        // A client that dialled the closed port may occupy it for a moment.
        if (tries === 50) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async close(): Promise<void> {
    await this.refuse();
  }

  async #listen(): Promise<void> {
    const server = createServer({ pauseOnConnect: true, noDelay: true }, (client) =>
      this.#accept(client),
    );
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: this.port, host: '127.0.0.1', exclusive: true }, resolve);
    });
    server.on('error', () => undefined);
    this.#server = server;
  }

  #accept(client: Socket): void {
    const server = connect({ ...this.#target, noDelay: true });
    const connection = new ProxiedConnection(client, server, this.#conditions);
    this.#connections.add(connection);
    connection.onClose = () => this.#connections.delete(connection);
    connection.apply();
  }

  #apply(): void {
    for (const connection of this.#connections) connection.apply();
  }
}

interface Conditions {
  silent: { to_server: boolean; to_client: boolean };
  delayMs: number;
  jitterMs: number;
}

/** One connection: the client's socket and the server's. */
class ProxiedConnection {
  onClose: () => void = () => undefined;
  readonly #flows: readonly [Flow, Flow];
  readonly #sockets: readonly [Socket, Socket];

  constructor(client: Socket, server: Socket, conditions: Conditions) {
    this.#sockets = [client, server];
    this.#flows = [
      new Flow(client, server, 'to_server', conditions),
      new Flow(server, client, 'to_client', conditions),
    ];
    let open = 2;
    for (const socket of this.#sockets) {
      socket.on('error', () => undefined);
      socket.once('close', () => {
        open -= 1;
        if (open === 0) this.onClose();
      });
    }
  }

  apply(): void {
    for (const flow of this.#flows) flow.apply();
  }

  reset(): void {
    for (const flow of this.#flows) flow.drop();
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}

interface QueuedChunk {
  /** null: the sender ended its side of the connection. */
  chunk: Buffer | null;
  dueMs: number;
}

/** One direction of a connection. */
class Flow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #direction: 'to_server' | 'to_client';
  readonly #conditions: Conditions;
  #queue: QueuedChunk[] = [];
  #timer: NodeJS.Timeout | undefined;
  #lastDueMs = 0;
  #full = false;

  constructor(
    from: Socket,
    to: Socket,
    direction: 'to_server' | 'to_client',
    conditions: Conditions,
  ) {
    this.#from = from;
    this.#to = to;
    this.#direction = direction;
    this.#conditions = conditions;
    from.on('data', (chunk: Buffer) => this.#receive(chunk));
    // The end of a connection is held back by a cut, or delayed, like any other data.
    from.once('end', () => this.#receive(null));
    from.once('close', () => this.#receive(null));
    to.on('drain', () => {
      this.#full = false;
      this.apply();
    });
    from.pause();
  }

  /** Pauses or resumes reading, and forwards what may go now. */
  apply(): void {
    const silent = this.#conditions.silent[this.#direction];
    if (silent || this.#full) this.#from.pause();
    else this.#from.resume();
    if (!silent) this.#deliver();
  }

  drop(): void {
    clearTimeout(this.#timer);
    this.#queue = [];
  }

  #receive(chunk: Buffer | null): void {
    const { delayMs, jitterMs } = this.#conditions;
    const dueMs = delayMs === 0 ? 0 : performance.now() + delayMs + Math.random() * jitterMs;
    this.#lastDueMs = Math.max(this.#lastDueMs, dueMs);
    this.#queue.push({ chunk, dueMs: this.#lastDueMs });
    this.#deliver();
  }

  #deliver(): void {
    clearTimeout(this.#timer);
    if (this.#conditions.silent[this.#direction]) return;
    const nowMs = performance.now();
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (next.dueMs > nowMs) {
        this.#timer = setTimeout(() => this.#deliver(), Math.ceil(next.dueMs - nowMs));
        return;
      }
      this.#queue.shift();
      this.#send(next.chunk);
    }
  }

  #send(chunk: Buffer | null): void {
    if (this.#to.destroyed || this.#to.writableEnded) return;
    if (chunk === null) {
      this.#to.end();
      // A destroyed socket will not read anything more either.
      if (this.#from.destroyed) this.#to.destroySoon();
    } else if (!this.#to.write(chunk)) {
      this.#full = true;
      this.#from.pause();
    }
  }
}
