import { createServer as createHttpServer } from 'node:http';

import { afterEach, describe, expect, it } from 'vitest';

import { attempt, cell, CONTEXT, runnerWith } from './fixture.ts';
import { call, closeLater, closeServers, listening, serve, serveRaw } from './scripted-server.ts';

afterEach(closeServers);

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

  it('with a status that refuses has failed; a redirect is unknown, and not followed', async () => {
    const { url, received } = await serve(({ url: path }, response) => {
      response.writeHead(Number(path?.slice(1)), { location: '/200' }).end('{"why": "gone"}');
    });
    expect(await call({ url: `${url}/404` })).toMatchObject({
      kind: 'failed',
      class: 'refused',
      error: { message: 'status 404: {"why": "gone"}', code: 'status' },
      output: { why: 'gone' },
      detail: { status: 404 },
    });
    expect(await call({ url: `${url}/302` })).toMatchObject({
      kind: 'unknown',
      reason: 'crash',
      detail: { status: 302, message: 'status 302: {"why": "gone"}' },
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

  it('whose response is larger than allowed has completed without its output', async () => {
    let ended = false;
    const { url } = await serve((_, response) => {
      response.writeHead(201).end('x'.repeat(3_000_000), () => (ended = true));
    });
    expect(await call({ url })).toMatchObject({
      kind: 'completed',
      output: {
        outputLost: {
          why: 'the response has 3000000 bytes, and 262144 are allowed; keep large results elsewhere',
          bytes: 3_000_000,
          head: 'x'.repeat(1_024),
        },
      },
      detail: { status: 201 },
    });
    expect(ended).toBe(true);
  });

  it('each uses its own connection, so that a stale one is never taken for a reset', async () => {
    const ports = new Set<number | undefined>();
    const server = createHttpServer((request, response) => {
      ports.add(request.socket.remotePort);
      response.end();
    });
    closeLater(server);
    const url = await listening(server);
    await call({ url });
    await call({ url });
    expect(ports.size).toBe(2);
  });

  it.each([
    ['no URL', 'nonsense', '"nonsense" is not a URL'],
    ['another protocol', 'file:///etc/passwd', 'file: is not http: or https:'],
  ])('to %s has failed, and nothing was begun', async (_, url, message) => {
    expect(await call({ url })).toMatchObject({
      kind: 'failed',
      class: 'notBegun',
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
