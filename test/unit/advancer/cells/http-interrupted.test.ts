import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { attempt, cell, CONTEXT, Folder, runnerWith } from './fixture.ts';
import { call, closeServers, listening, serve, serveRaw } from './scripted-server.ts';

afterEach(closeServers);

describe('before anything was sent', () => {
  it('a refused connection is a failure', async () => {
    const server = createServer();
    const url = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    expect(await call({ url })).toMatchObject({
      kind: 'failed',
      class: 'notBegun',
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
      class: 'notBegun',
      error: { code: 'not_connected' },
    });
  });

  it('a TLS handshake that fails is a failure', async () => {
    const { url } = await serveRaw((socket) => socket.end('not TLS'));
    expect(await call({ url: url.replace('http:', 'https:') })).toMatchObject({
      kind: 'failed',
      class: 'notBegun',
      error: { code: 'not_connected' },
    });
  });

  it('a time-out is a failure: it is known that nothing happened', async () => {
    // A TLS handshake that is never answered stands for any connection that never opens.
    const { url } = await serveRaw(() => undefined);
    expect(await call({ url: url.replace('http:', 'https:') }, { timeout: '50ms' })).toMatchObject({
      kind: 'failed',
      class: 'notBegun',
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
