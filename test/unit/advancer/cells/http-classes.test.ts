import { createServer } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { call, closeLater, closeServers, listening, serve } from './scripted-server.ts';

afterEach(closeServers);

/** A server that answers with the status in the path. */
async function statuses(headers: Record<string, string> = {}): Promise<(status: number) => string> {
  const { url } = await serve((request, response) => {
    response.writeHead(Number(request.url?.slice(1)), headers).end('{"why": "so"}');
  });
  return (status) => `${url}/${status}`;
}

describe('a response says what became of the effect', () => {
  it.each([
    [200, 'completed', undefined],
    [400, 'failed', 'refused'],
    [409, 'failed', 'refused'],
    [425, 'failed', 'notBegun'],
    [429, 'failed', 'notBegun'],
    [304, 'unknown', undefined],
    [408, 'unknown', undefined],
    [500, 'unknown', undefined],
    [504, 'unknown', undefined],
  ])('%i: %s %s', async (status, kind, known) => {
    const at = await statuses();
    const outcome = await call({ url: at(status) });
    expect(outcome).toMatchObject({ kind, detail: { status } });
    expect((outcome as { class?: string }).class).toBe(known);
  });

  it('unless the cell moves its status to another class', async () => {
    const at = await statuses();
    const moved = { refused: [500], notBegun: [503], unknown: [409, 201] };
    const seen = [];
    for (const status of [500, 503, 409, 201, 502])
      seen.push(await call({ url: at(status), ...moved }));
    expect(seen).toMatchObject([
      { kind: 'failed', class: 'refused' },
      { kind: 'failed', class: 'notBegun' },
      { kind: 'unknown', detail: { status: 409, message: 'status 409: {"why": "so"}' } },
      { kind: 'unknown', detail: { status: 201 } },
      { kind: 'unknown', detail: { status: 502 } },
    ]);
  });

  it('and expect cannot make a known outcome of an unknown one', async () => {
    const at = await statuses();
    expect(await call({ url: at(504) }, { expect: [{ status: 504 }] })).toMatchObject({
      kind: 'unknown',
    });
    expect(
      await call({ url: at(504), refused: [504] }, { expect: [{ status: 504 }] }),
    ).toMatchObject({ kind: 'completed', output: { why: 'so' } });
  });

  it.each([
    [
      'answered before anything was sent: HTTP/1.1 408 Request Timeout',
      'HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n',
    ],
    ['closed the connection before anything was sent', ''],
  ])('but nothing was begun if the receiver %s', async (message, text) => {
    let received = '';
    const server = createServer((socket) => {
      socket.on('data', (chunk) => (received += chunk.toString()));
      socket.on('error', () => undefined);
      socket.end(text);
    });
    closeLater(server);
    const url = await listening(server);
    // It spoke first only if the request was not sent at once, which is a matter of luck.
    let outcome = await call({ url });
    for (let tries = 1; outcome.kind === 'unknown' && tries < 50; tries += 1) {
      received = '';
      outcome = await call({ url });
    }
    expect(outcome).toMatchObject({
      kind: 'failed',
      class: 'notBegun',
      error: { message: expect.stringContaining(message), code: 'not_connected' },
    });
    expect(received).toBe('');
  });
});

describe('how long the receiver asks to wait', () => {
  it.each([429, 503, 404])('is kept with a %i', async (status) => {
    const at = await statuses({ 'retry-after': '7' });
    expect(await call({ url: at(status) })).toMatchObject({ retryAfterMs: 7_000 });
  });

  it('is not kept where it says nothing', async () => {
    const at = await statuses();
    expect((await call({ url: at(429) })) as { retryAfterMs?: number }).toHaveProperty(
      'retryAfterMs',
      undefined,
    );
  });
});
