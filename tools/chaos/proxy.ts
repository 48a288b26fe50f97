import { createServer, connect } from 'node:net';
import type { Server, Socket } from 'node:net';

import { freePort } from '../stack/free-port.ts';
import type { Silence } from './faults.ts';

/** Where connections go. */
export interface Address {
  host: string;
  port: number;
}

/**
 * A TCP proxy on loopback that can be broken in the ways in which networks break. Unbroken it
 * passes everything on.
 *
 * - `silence`: nothing passes in a direction (or in both) and nobody is told; what was sent
 *   meanwhile arrives when it heals, as TCP would send it again. New connections are taken and are
 *   as silent.
 * - `reset`: every connection is reset; new ones are served.
 * - `refuse`: every connection is reset, new ones are refused.
 * - `delay`: everything passes, so much later, in order.
 */
export class FaultProxy {
  readonly port: number;
  readonly #target: Address;
  readonly #pairs = new Set<Pair>();
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

  /** A proxy in front of a server. */
  static async before(target: Address): Promise<FaultProxy> {
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

  /** How many connections go through it. */
  get connections(): number {
    return this.#pairs.size;
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
    for (const pair of this.#pairs) pair.reset();
  }

  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    this.reset();
    await closed;
  }

  /** Everything passes again. */
  async heal(): Promise<void> {
    this.#conditions.silent = { to_server: false, to_client: false };
    this.delay(0, 0);
    this.#apply();
    for (let tries = 1; this.#server === undefined; tries += 1) {
      try {
        await this.#listen();
      } catch (error) {
        // Whoever dialled the closed port may hold it for a moment.
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
      this.#join(client),
    );
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: this.port, host: '127.0.0.1', exclusive: true }, resolve);
    });
    server.on('error', () => undefined);
    this.#server = server;
  }

  #join(client: Socket): void {
    const pair = new Pair(client, connect({ ...this.#target, noDelay: true }), this.#conditions);
    this.#pairs.add(pair);
    pair.onGone = () => this.#pairs.delete(pair);
    pair.apply();
  }

  #apply(): void {
    for (const pair of this.#pairs) pair.apply();
  }
}

interface Conditions {
  silent: { to_server: boolean; to_client: boolean };
  delayMs: number;
  jitterMs: number;
}

/** One connection: the client's half and the server's. */
class Pair {
  onGone: () => void = () => undefined;
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
        if (open === 0) this.onGone();
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

interface Parcel {
  /** null: the sender's end of the connection. */
  chunk: Buffer | null;
  dueMs: number;
}

/** One direction of a connection. */
class Flow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #direction: 'to_server' | 'to_client';
  readonly #conditions: Conditions;
  #parcels: Parcel[] = [];
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
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    // An end is news that a cut keeps back, and a delay delays, like any other.
    from.once('end', () => this.#take(null));
    from.once('close', () => this.#take(null));
    to.on('drain', () => {
      this.#full = false;
      this.apply();
    });
    from.pause();
  }

  /** Reads, or does not, and sends on what may go. */
  apply(): void {
    const silent = this.#conditions.silent[this.#direction];
    if (silent || this.#full) this.#from.pause();
    else this.#from.resume();
    if (!silent) this.#deliver();
  }

  drop(): void {
    clearTimeout(this.#timer);
    this.#parcels = [];
  }

  #take(chunk: Buffer | null): void {
    const { delayMs, jitterMs } = this.#conditions;
    const dueMs = delayMs === 0 ? 0 : performance.now() + delayMs + Math.random() * jitterMs;
    this.#lastDueMs = Math.max(this.#lastDueMs, dueMs);
    this.#parcels.push({ chunk, dueMs: this.#lastDueMs });
    this.#deliver();
  }

  #deliver(): void {
    clearTimeout(this.#timer);
    if (this.#conditions.silent[this.#direction]) return;
    const nowMs = performance.now();
    for (let parcel = this.#parcels[0]; parcel !== undefined; parcel = this.#parcels[0]) {
      if (parcel.dueMs > nowMs) {
        this.#timer = setTimeout(() => this.#deliver(), Math.ceil(parcel.dueMs - nowMs));
        return;
      }
      this.#parcels.shift();
      this.#send(parcel.chunk);
    }
  }

  #send(chunk: Buffer | null): void {
    if (this.#to.destroyed || this.#to.writableEnded) return;
    if (chunk === null) {
      this.#to.end();
      // One that was destroyed will read nothing any more either.
      if (this.#from.destroyed) this.#to.destroySoon();
    } else if (!this.#to.write(chunk)) {
      this.#full = true;
      this.#from.pause();
    }
  }
}
