import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { FaultProxy } from '../../../../tools/chaos/proxy.ts';

/** A server that echoes what it receives, and keeps it. */
class Echo {
  readonly server: Server;
  received = '';
  readonly sockets: Socket[] = [];

  constructor() {
    this.server = createServer((socket) => {
      this.sockets.push(socket);
      socket.on('error', () => undefined);
      socket.setEncoding('utf8').on('data', (text: string) => {
        this.received += text;
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
  received = '';
  ended: string | undefined;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1' });
    this.socket.setEncoding('utf8').on('data', (text: string) => (this.received += text));
    this.socket.on('error', (error: NodeJS.ErrnoException) => (this.ended ??= error.code));
    this.socket.on('close', () => (this.ended ??= 'closed'));
  }

  async send(text: string): Promise<void> {
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

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Long enough for anything to arrive on loopback, if it is let through. */
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
  it('forwards everything when there is no fault, including the end of a connection', async () => {
    const one = client();
    await one.send('hello');
    await until(() => one.received === 'hello');
    expect(proxy.connections).toBe(1);
    one.socket.end();
    await until(() => one.ended === 'closed');
    await until(() => proxy.connections === 0);
  });

  it('cut: nothing passes and there is no error; data arrives when the cut heals', async () => {
    const one = client();
    await one.send('a');
    await until(() => one.received === 'a');
    proxy.silence('both');
    await one.send('b');
    echo.sockets[0]?.write('c');
    await silence();
    expect(echo.received).toBe('a');
    expect(one.received).toBe('a');
    expect(one.ended).toBeUndefined();
    await proxy.heal();
    await until(() => one.received.length === 3);
    expect(echo.received).toBe('ab');
  });

  it('cut to the server: what the server sends still arrives', async () => {
    const one = client();
    await one.send('a');
    await until(() => one.received === 'a');
    proxy.silence('to_server');
    await one.send('b');
    echo.sockets[0]?.write('c');
    await until(() => one.received === 'ac');
    await silence();
    expect(echo.received).toBe('a');
  });

  it('cut to the client: what the client sends still arrives', async () => {
    const one = client();
    await one.send('a');
    await until(() => one.received === 'a');
    proxy.silence('to_client');
    await one.send('b');
    await until(() => echo.received === 'ab');
    await silence();
    expect(one.received).toBe('a');
  });

  it('cut: a new connection is accepted and is silent, too', async () => {
    proxy.silence('both');
    const one = client();
    await once(one.socket, 'connect');
    await one.send('a');
    await silence();
    expect(echo.received).toBe('');
    await proxy.heal();
    await until(() => one.received === 'a');
  });

  it('cut: the end of a connection is held back, too', async () => {
    const one = client();
    await one.send('a');
    await until(() => one.received === 'a');
    proxy.silence('both');
    one.socket.destroy();
    await silence();
    expect(echo.sockets[0]?.destroyed).toBe(false);
    await proxy.heal();
    await until(() => echo.sockets[0]?.destroyed === true);
  });

  it('reset: connections are reset, and new ones work', async () => {
    const one = client();
    await one.send('a');
    await until(() => one.received === 'a');
    proxy.reset();
    await until(() => one.ended !== undefined);
    expect(one.ended).toBe('ECONNRESET');
    const two = client();
    await two.send('b');
    await until(() => two.received === 'b');
  });

  it('refuse: new connections are refused until it heals', async () => {
    const one = client();
    await one.send('a');
    await until(() => one.received === 'a');
    await proxy.refuse();
    await until(() => one.ended !== undefined);
    const two = client();
    await until(() => two.ended !== undefined);
    expect(two.ended).toBe('ECONNREFUSED');
    await proxy.heal();
    const three = client();
    await three.send('c');
    await until(() => three.received === 'c');
  });

  it('delay: everything arrives later, in order', async () => {
    const one = client();
    await one.send('a');
    await until(() => one.received === 'a');
    proxy.delay(60, 60);
    const from = performance.now();
    for (const letter of 'bcdefg') await one.send(letter);
    await until(() => one.received.length === 7);
    expect(one.received).toBe('abcdefg');
    // There and back.
    expect(performance.now() - from).toBeGreaterThanOrEqual(118);
  });
});
