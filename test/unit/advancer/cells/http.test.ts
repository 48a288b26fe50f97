import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import type { CellOutcome } from '../../../../advancer/cells/cells.ts';
import type { ExecCell } from '../../../../src/runbook/runbook.ts';
import { attempt, cell, CONTEXT, Folder, run, runnerWith } from './fixture.ts';

const servers: { close(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Received {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}

/** A server that answers each request so, and keeps what it received. */
async function serve(
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

/** A server that does this with each connection on which something arrived. */
async function serveRaw(
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

function call(
  http: {
    url: string;
    method?: 'GET' | 'POST' | 'HEAD';
    headers?: Record<string, string>;
    body?: ExecCellBody;
  },
  fields: Partial<ExecCell> = {},
): Promise<CellOutcome> {
  return run({ exec: { http: { method: 'POST', ...http } }, ...fields });
}
type ExecCellBody = Extract<ExecCell['exec'], { http: unknown }>['http']['body'];

describe('an http call', () => {
  it('sends the token, the key and its filled body, and its output is the JSON of the response', async () => {
    const { url, received } = await serve((_, response) =>
      response.writeHead(201).end('{"count": 1}'),
    );
    const outcome = await call({
      url: `${url}/effects/\${inputs.order}?n=\${inputs.count}`,
      headers: { 'x-order': '${inputs.order}', 'x-count': '${inputs.count}' },
      body: { order: '${inputs.order}', count: '${inputs.count}' },
    });
    expect(outcome).toMatchObject({
      kind: 'completed',
      output: { count: 1 },
      detail: { status: 201 },
    });
    expect(received).toMatchObject([
      {
        method: 'POST',
        url: '/effects/o-1?n=3',
        headers: {
          'idempotency-key': 'i-1/charge/1',
          'leasehold-fencing-token': '4711',
          'content-type': 'application/json',
          'x-order': 'o-1',
          'x-count': '3',
          host: url.slice('http://'.length),
        },
        body: '{"order":"o-1","count":3}',
      },
    ]);
  });

  it('cannot have its token or key overridden', async () => {
    const { url, received } = await serve((_, response) => response.end());
    await call({
      url,
      headers: {
        'IDEMPOTENCY-KEY': 'mine',
        'Leasehold-Fencing-Token': '1',
        Host: 'x',
        'Content-Length': '9',
      },
    });
    expect(received[0]?.headers).toMatchObject({
      'idempotency-key': 'i-1/charge/1',
      'leasehold-fencing-token': '4711',
    });
    expect(received[0]?.headers.host).toBe(url.slice('http://'.length));
  });

  it('sends text with an explicit content type as it is', async () => {
    const { url, received } = await serve((_, response) => response.end());
    await call({ url, headers: { 'Content-Type': 'text/plain' }, body: 'Grüße' });
    expect(received).toMatchObject([{ headers: { 'content-type': 'text/plain' }, body: 'Grüße' }]);
  });

  it('gives text that is not JSON as body', async () => {
    const { url } = await serve((_, response) => response.end('hello'));
    expect(await call({ url, method: 'GET' })).toMatchObject({
      kind: 'completed',
      output: { body: 'hello' },
    });
    expect(await call({ url, method: 'HEAD' })).toMatchObject({
      kind: 'completed',
      output: { body: '' },
    });
  });

  it('with any status but 2xx has failed, a redirect included', async () => {
    const { url, received } = await serve(({ url: path }, response) => {
      response.writeHead(Number(path?.slice(1)), { location: '/200' }).end('{"why": "gone"}');
    });
    expect(await call({ url: `${url}/404` })).toMatchObject({
      kind: 'failed',
      error: { message: 'status 404: {"why": "gone"}', code: 'status' },
      output: { why: 'gone' },
      detail: { status: 404 },
    });
    expect(await call({ url: `${url}/302` })).toMatchObject({
      kind: 'failed',
      detail: { status: 302 },
    });
    expect(received).toHaveLength(2);
  });

  it('that fails as predicted has completed', async () => {
    const { url } = await serve((_, response) => response.writeHead(404).end('{"why": "gone"}'));
    const expectations = [
      { status: 404 },
      { pointer: '/why', equals: 'gone' },
      { errorIncludes: 'gone' },
    ];
    expect(await call({ url }, { expect: expectations })).toMatchObject({
      kind: 'completed',
      output: { why: 'gone' },
    });
  });

  it('reads a response that ends with its connection', async () => {
    const { url } = await serveRaw((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n{"a": 1}'));
    expect(await call({ url })).toMatchObject({ kind: 'completed', output: { a: 1 } });
  });

  it('whose response is larger than allowed has failed', async () => {
    const { url } = await serve((_, response) => response.end('x'.repeat(262_145)));
    expect(await call({ url })).toMatchObject({
      kind: 'failed',
      error: {
        message: 'the answer has more than 262144 bytes, and was not read to its end',
        code: 'output_too_large',
      },
      detail: { status: 200 },
    });
  });

  it('each uses its own connection, so that a stale one is never taken for a reset', async () => {
    const ports = new Set<number | undefined>();
    const server = createHttpServer((request, response) => {
      ports.add(request.socket.remotePort);
      response.end();
    });
    servers.push(server);
    const url = await listening(server);
    await call({ url });
    await call({ url });
    expect(ports.size).toBe(2);
  });

  it.each([
    ['no URL', 'nonsense', '"nonsense" is not a URL'],
    ['another protocol', 'file:///etc/passwd', 'file: is not http: or https:'],
  ])('to %s has failed', async (_, url, message) => {
    expect(await call({ url })).toMatchObject({
      kind: 'failed',
      error: { message, code: 'bad_request' },
    });
  });

  it('with a header that injects another has failed, and nothing was sent', async () => {
    const { url, received } = await serve((_, response) => response.end());
    const exec = {
      http: { method: 'POST' as const, url, headers: { 'x-order': '${inputs.order}' } },
    };
    const context = { ...CONTEXT, inputs: { order: 'a\r\nx-admin: 1' } };
    expect(await runnerWith().run(cell({ exec }), context, attempt().signals)).toMatchObject({
      kind: 'failed',
      error: { message: expect.stringMatching(/^the header "x-order" cannot be sent/) },
    });
    expect(received).toEqual([]);
  });
});

describe('before anything was sent', () => {
  it('a refused connection is a failure', async () => {
    const server = createServer();
    const url = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    expect(await call({ url })).toMatchObject({
      kind: 'failed',
      error: {
        message: expect.stringMatching(/^could not connect to 127\.0\.0\.1:\d+: .*ECONNREFUSED/),
        code: 'not_connected',
      },
      detail: { code: 'ECONNREFUSED' },
    });
    expect(await call({ url }, { expect: [{ errorIncludes: 'ECONNREFUSED' }] })).toMatchObject({
      kind: 'completed',
    });
  });

  it('a name that does not resolve is a failure', async () => {
    expect(await call({ url: 'http://nowhere.invalid' })).toMatchObject({
      kind: 'failed',
      error: { code: 'not_connected' },
    });
  });

  it('a TLS handshake that fails is a failure', async () => {
    const { url } = await serveRaw((socket) => socket.end('not TLS'));
    expect(await call({ url: url.replace('http:', 'https:') })).toMatchObject({
      kind: 'failed',
      error: { code: 'not_connected' },
    });
  });

  it('a time-out is a failure: it is known that nothing happened', async () => {
    // A TLS handshake that is never answered stands for any connection that never opens.
    const { url } = await serveRaw(() => undefined);
    expect(await call({ url: url.replace('http:', 'https:') }, { timeout: '50ms' })).toMatchObject({
      kind: 'failed',
      error: {
        message: expect.stringMatching(/^could not connect to .* in time; nothing was sent$/),
        code: 'not_connected',
      },
    });
  });

  it('an abort is unknown and says that nothing was begun', async () => {
    const { url, arrived } = await serveRaw(() => undefined);
    const { signals, abort } = attempt();
    const exec = { http: { method: 'POST' as const, url: url.replace('http:', 'https:') } };
    const outcome = runnerWith().run(cell({ exec }), CONTEXT, signals);
    await arrived;
    abort();
    expect(await outcome).toMatchObject({
      kind: 'unknown',
      reason: 'aborted',
      detail: { notBegun: true },
    });
  });

  it('a lease that is lost while connecting stops even a hold cell from sending', async () => {
    const { url, received } = await serve((_, response) => response.end());
    const { signals, lose } = attempt();
    const outcome = runnerWith().run(
      cell({ exec: { http: { method: 'POST', url } } }),
      CONTEXT,
      signals,
    );
    lose();
    expect(await outcome).toMatchObject({
      kind: 'unknown',
      reason: 'aborted',
      detail: { notBegun: true },
    });
    expect(received).toEqual([]);
  });
});

describe('once the request was sent', () => {
  it.each<[string, (socket: Socket) => void]>([
    ['a reset', (socket) => socket.resetAndDestroy()],
    ['a close without an answer', (socket) => socket.end()],
    [
      'an answer that breaks off',
      (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}'),
    ],
    ['an answer that is no HTTP', (socket) => socket.end('hello\r\n\r\n')],
  ])('%s is unknown', async (_, onData) => {
    const { url } = await serveRaw(onData);
    expect(await call({ url }, { expect: [{ errorIncludes: 'a' }] })).toMatchObject({
      kind: 'unknown',
      reason: 'crash',
    });
  });

  it('a time-out is unknown', async () => {
    const { url } = await serveRaw(() => undefined);
    expect(await call({ url }, { timeout: '1s' })).toMatchObject({
      kind: 'unknown',
      reason: 'timeout',
    });
  });

  it('a response that is not complete in time is unknown, with its status', async () => {
    const { url } = await serveRaw((socket) =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}'),
    );
    expect(await call({ url }, { timeout: '1s' })).toMatchObject({
      kind: 'unknown',
      reason: 'timeout',
      detail: { status: 200 },
    });
  });

  it('an abort is unknown, and the failpoint in_effect was met', async () => {
    const { url, arrived } = await serveRaw(() => undefined);
    const { signals, abort } = attempt();
    const met: string[] = [];
    const runner = runnerWith({
      failpoint: (name) => {
        met.push(name);
        return Promise.resolve();
      },
    });
    const outcome = runner.run(cell({ exec: { http: { method: 'POST', url } } }), CONTEXT, signals);
    await arrived;
    abort();
    expect(await outcome).toMatchObject({ kind: 'unknown', reason: 'aborted' });
    expect(met).toEqual(['in_effect']);
  });

  it.each(['rerun', 'probe'] as const)('a lost lease ends a %s cell', async (onInterrupt) => {
    const { url, arrived } = await serveRaw(() => undefined);
    const { signals, lose } = attempt();
    const outcome = runnerWith().run(
      cell({ exec: { http: { method: 'POST', url } }, onInterrupt }),
      CONTEXT,
      signals,
    );
    await arrived;
    lose();
    expect(await outcome).toMatchObject({ kind: 'unknown', reason: 'aborted' });
  });

  it('a lost lease lets a hold cell get its response', async () => {
    let socket: Socket | undefined;
    const { url, arrived } = await serveRaw((one) => (socket = one));
    const { signals, lose } = attempt();
    const outcome = runnerWith().run(
      cell({ exec: { http: { method: 'POST', url } } }),
      CONTEXT,
      signals,
    );
    await arrived;
    lose();
    socket?.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}');
    expect(await outcome).toMatchObject({ kind: 'completed', output: {} });
  });

  it('a response that arrived just before the abort keeps its definite outcome', async () => {
    const folder = await Folder.make();
    // In another process, because this one is blocked while the response arrives.
    const script = `
      const { writeFileSync } = require('node:fs');
      const server = require('node:http').createServer((request, response) => {
        writeFileSync(process.argv[1] + '/got', '1\\n');
        const wait = setInterval(() => {
          if (!require('node:fs').existsSync(process.argv[1] + '/go')) return;
          clearInterval(wait);
          response.end('{"a": 1}', () => setTimeout(() => writeFileSync(process.argv[1] + '/answered', ''), 50));
        }, 5);
      });
      server.listen(0, '127.0.0.1', () => writeFileSync(process.argv[1] + '/port', server.address().port + '\\n'));`;
    const child = spawn(process.execPath, ['-e', script, folder.path], { stdio: 'inherit' });
    try {
      const url = `http://127.0.0.1:${await folder.written('port')}`;
      const { signals, abort } = attempt();
      const outcome = runnerWith().run(
        cell({ exec: { http: { method: 'POST', url } } }),
        CONTEXT,
        signals,
      );
      await folder.written('got');
      writeFileSync(folder.file('go'), '');
      while (!existsSync(folder.file('answered')));
      abort();
      expect(await outcome).toMatchObject({ kind: 'completed', output: { a: 1 } });
    } finally {
      child.kill('SIGKILL');
      await folder.remove();
    }
  });
});
