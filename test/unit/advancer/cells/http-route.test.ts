import { afterEach, describe, expect, it } from 'vitest';

import { parseHttpAllow, type HttpAllow } from '../../../../src/config/http-allow.ts';
import type { JsonObject } from '../../../../src/json.ts';
import { attempt, cell, CONTEXT, runnerWith } from './fixture.ts';
import { closeServers, serve, type Received } from './scripted-server.ts';

afterEach(closeServers);

/** Runs a cell with a bearer header, and shows how it ended and what the server received. */
async function call(
  path: string,
  inputs: JsonObject,
  headers: Record<string, string> = {},
): Promise<{ outcome: object; received: Received[] }> {
  const { url, received } = await serve((_, response) => response.end());
  const http = {
    method: 'POST' as const,
    url: `${url}${path}`,
    headers: { authorization: 'Bearer s3cret', ...headers },
  };
  const context = { ...CONTEXT, inputs };
  const outcome = await runnerWith().run(cell({ exec: { http } }), context, attempt().signals);
  return { outcome, received };
}

describe('an input', () => {
  it('that gives the origin a user that cannot be decoded has begun nothing', async () => {
    const http = { method: 'POST' as const, url: '${inputs.base}/effects' };
    const context = { ...CONTEXT, inputs: { base: 'http://%zz@127.0.0.1:9' } };
    const outcome = await runnerWith().run(cell({ exec: { http } }), context, attempt().signals);
    expect(outcome).toMatchObject({
      kind: 'failed',
      class: 'notBegun',
      error: { code: 'bad_request', message: expect.stringContaining('127.0.0.1:9') },
    });
  });

  it('that contains a path stays one segment: 7/../8 cancels order 7/../8, not 8', async () => {
    const { outcome, received } = await call('/orders/${inputs.order}/cancel', {
      order: '7/../8',
    });
    expect(outcome).toMatchObject({ kind: 'completed' });
    expect(received.map(({ url }) => url)).toEqual(['/orders/7%2F..%2F8/cancel']);
  });

  it.each(['.', '..', '%2e%2e', ''])(
    'that would change the route has begun nothing: %j',
    async (order) => {
      const { outcome, received } = await call('/orders/${inputs.order}/cancel', { order });
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: { code: 'placeholder', message: expect.stringMatching(/^\$\{inputs\.order\} /) },
        class: 'notBegun',
      });
      expect(received).toEqual([]);
    },
  );

  it.each(['a\r\nx-admin: 1', 'a\nb', 'a\rb', 'a\0b'])(
    'that would add a header has begun nothing: %j',
    async (order) => {
      const { outcome, received } = await call('/', { order }, { 'x-order': '${inputs.order}' });
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: { code: 'bad_request', message: expect.stringMatching(/^the header "x-order"/) },
        class: 'notBegun',
      });
      expect(received).toEqual([]);
    },
  );
});

describe('where a replica may call', () => {
  async function callWith(
    allow: HttpAllow | string,
    host: string,
  ): Promise<{ outcome: object; received: Received[]; probed: object }> {
    const { url, received } = await serve((_, response) => response.end());
    const { port } = new URL(url);
    const httpAllow = typeof allow === 'string' ? parseHttpAllow(allow).entries : allow;
    const http = { method: 'POST' as const, url: `http://${host}:${port}/` };
    const runner = runnerWith({ httpAllow });
    const outcome = await runner.run(cell({ exec: { http } }), CONTEXT, attempt().signals);
    const { signal } = new AbortController();
    const probed = await runner.probe({ http }, CONTEXT, signal);
    return { outcome, received, probed };
  }

  it.each(['127.0.0.1', 'localhost', '127.1', '2130706433', '0.0.0.0', '[::ffff:127.0.0.1]'])(
    'excludes this machine by default, also for a probe: %s',
    async (host) => {
      const { outcome, received, probed } = await callWith(undefined, host);
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: { code: 'bad_request', message: expect.stringMatching(/LEASEHOLD_HTTP_ALLOW/) },
        class: 'notBegun',
      });
      expect(probed).toMatchObject({
        answer: 'unknown',
        why: expect.stringMatching(/LEASEHOLD_HTTP_ALLOW/),
      });
      expect(received).toEqual([]);
    },
  );

  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['127.0.0.0/8', 'localhost'],
    ['localhost', 'localhost'],
    ['0.0.0.0/0,::/0', '[::ffff:127.0.0.1]'],
  ])('includes what is listed: %s lets a cell call %s', async (allow, host) => {
    const { outcome, received } = await callWith(allow, host);
    expect(outcome).toMatchObject({ kind: 'completed' });
    expect(received).toHaveLength(2);
  });

  it('is decided by the address, of which a name shows only those that are allowed', async () => {
    const { outcome, received } = await callWith('::1,127.0.0.1', 'localhost');
    expect(outcome).toMatchObject({ kind: 'completed' });
    expect(received).toHaveLength(2);
    const refused = await callWith('10.0.0.0/8', 'localhost');
    expect(refused.outcome).toMatchObject({ kind: 'failed', class: 'notBegun' });
    expect(refused.received).toEqual([]);
  });
});
