import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * A TCP proxy on loopback that can be cut like a cable: nothing passes either way, and neither side
 * learns of it. What was sent meanwhile arrives when the cut heals, as TCP would send it again.
 */
export class TcpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: { host: string; port: number };
  #cut = false;
  #healed: Promise<void> = Promise.resolve();
  #heal: () => void = () => undefined;

  private constructor(target: URL) {
    this.#target = targetOf(target);
    this.#server = createServer({ pauseOnConnect: true }, (client) => void this.#join(client));
  }

  /** A proxy in front of the server of this URL. */
  static async before(url: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(new URL(url));
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** The server's URL, with this proxy in the server's place. */
  url(url: string): string {
    const through = new URL(url);
    through.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    // A URL without a path is written without the slash that URL gives it.
    return new URL(url).pathname === '/' && !url.endsWith('/')
      ? through.href.replace(/\/$/, '')
      : through.href;
  }

  /** From now on nothing passes. */
  cut(): void {
    if (this.#cut) return;
    this.#cut = true;
    this.#healed = new Promise((resolve) => {
      this.#heal = resolve;
    });
    for (const socket of this.#sockets) socket.pause();
  }

  /** Everything passes again. */
  heal(): void {
    this.#cut = false;
    this.#heal();
    for (const socket of this.#sockets) socket.resume();
  }

  /** Ends every connection; new ones go to another server. */
  redirect(url: string): void {
    this.#target = targetOf(new URL(url));
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.heal();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #join(client: Socket): Promise<void> {
    this.#keep(client);
    await this.#healed;
    if (client.destroyed) return;
    const upstream = connect(this.#target);
    this.#keep(upstream);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('data', (data) => to.write(data));
      from.on('close', () => to.destroy());
      if (this.#cut) from.pause();
      else from.resume();
    }
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

function targetOf(url: URL): { host: string; port: number } {
  return { host: url.hostname, port: Number(url.port) };
}
