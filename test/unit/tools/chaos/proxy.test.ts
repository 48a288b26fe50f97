import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { FaultProxy } from '../../../../tools/chaos/proxy.ts';

/** A server that says back what it hears, and remembers it. */
class Echo {
  readonly server: Server;
  heard = '';
  readonly sockets: Socket[] = [];

  constructor() {
    this.server = createServer((socket) => {
      this.sockets.push(socket);
      socket.on('error', () => undefined);
      socket.setEncoding('utf8').on('data', (text: string) => {
        this.heard += text;
        socket.write(text);
      });
    });
  }

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }
}

class Client {
  readonly socket: Socket;
  heard = '';
  ended: string | undefined;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1' });
    this.socket.setEncoding('utf8').on('data', (text: string) => (this.heard += text));
    this.socket.on('error', (error: NodeJS.ErrnoException) => (this.ended ??= error.code));
    this.socket.on('close', () => (this.ended ??= 'closed'));
  }

  async says(text: string): Promise<void> {
    await new Promise((resolve) => this.socket.write(text, resolve));
  }
}

let echo: Echo;
let proxy: FaultProxy;
const clients: Client[] = [];

function client(): Client {
  const one = new Client(proxy.port);
  clients.push(one);
  return one;
}

async function until(look: () => boolean): Promise<void> {
  while (!look()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Long enough for anything on loopback to have arrived, had it been let through. */
const SILENCE_MS = 80;
const silence = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, SILENCE_MS));

beforeEach(async () => {
  echo = new Echo();
  proxy = await FaultProxy.open({ host: '127.0.0.1', port: await echo.listen() });
});

afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.destroy();
  await proxy.close();
  for (const socket of echo.sockets) socket.destroy();
  echo.server.close();
});

describe('a fault-injecting proxy', () => {
  it('passes everything on when nothing is broken, the end of a connection too', async () => {
    const one = client();
    await one.says('hello');
    await until(() => one.heard === 'hello');
    expect(proxy.connections).toBe(1);
    one.socket.end();
    await until(() => one.ended === 'closed');
    await until(() => proxy.connections === 0);
  });

  it('cut: nothing passes either way, nobody is told, and it arrives when the cut heals', async () => {
    const one = client();
    await one.says('a');
    await until(() => one.heard === 'a');
    proxy.silence('both');
    await one.says('b');
    echo.sockets[0]?.write('c');
    await silence();
    expect(echo.heard).toBe('a');
    expect(one.heard).toBe('a');
    expect(one.ended).toBeUndefined();
    await proxy.heal();
    await until(() => one.heard.length === 3);
    expect(echo.heard).toBe('ab');
  });

  it('cut to the server: what the server says still arrives', async () => {
    const one = client();
    await one.says('a');
    await until(() => one.heard === 'a');
    proxy.silence('to_server');
    await one.says('b');
    echo.sockets[0]?.write('c');
    await until(() => one.heard === 'ac');
    await silence();
    expect(echo.heard).toBe('a');
  });

  it('cut to the client: what the client says still arrives', async () => {
    const one = client();
    await one.says('a');
    await until(() => one.heard === 'a');
    proxy.silence('to_client');
    await one.says('b');
    await until(() => echo.heard === 'ab');
    await silence();
    expect(one.heard).toBe('a');
  });

  it('cut: a new connection is taken and is as silent', async () => {
    proxy.silence('both');
    const one = client();
    await once(one.socket, 'connect');
    await one.says('a');
    await silence();
    expect(echo.heard).toBe('');
    await proxy.heal();
    await until(() => one.heard === 'a');
  });

  it('cut: the end of a connection is kept back, too', async () => {
    const one = client();
    await one.says('a');
    await until(() => one.heard === 'a');
    proxy.silence('both');
    one.socket.destroy();
    await silence();
    expect(echo.sockets[0]?.destroyed).toBe(false);
    await proxy.heal();
    await until(() => echo.sockets[0]?.destroyed === true);
  });

  it('reset: connections are reset, and new ones are served', async () => {
    const one = client();
    await one.says('a');
    await until(() => one.heard === 'a');
    proxy.reset();
    await until(() => one.ended !== undefined);
    expect(one.ended).toBe('ECONNRESET');
    const two = client();
    await two.says('b');
    await until(() => two.heard === 'b');
  });

  it('refuse: new connections are refused until it heals', async () => {
    const one = client();
    await one.says('a');
    await until(() => one.heard === 'a');
    await proxy.refuse();
    await until(() => one.ended !== undefined);
    const two = client();
    await until(() => two.ended !== undefined);
    expect(two.ended).toBe('ECONNREFUSED');
    await proxy.heal();
    const three = client();
    await three.says('c');
    await until(() => three.heard === 'c');
  });

  it('delay: everything arrives so much later, in its order', async () => {
    const one = client();
    await one.says('a');
    await until(() => one.heard === 'a');
    proxy.delay(60, 60);
    const from = performance.now();
    for (const letter of 'bcdefg') await one.says(letter);
    await until(() => one.heard.length === 7);
    expect(one.heard).toBe('abcdefg');
    // There and back again.
    expect(performance.now() - from).toBeGreaterThanOrEqual(118);
  });
});
