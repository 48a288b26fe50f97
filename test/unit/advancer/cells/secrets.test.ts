import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { NO_REDACTION } from '../../../../advancer/secrets/redaction.ts';
import type { Handler } from '../../../../src/runbook/handler.ts';
import { attempt, CONTEXT, Folder, run, runnerWith } from './fixture.ts';
import { closeServers, serve } from './scripted-server.ts';
import { clean, fixed, node, secrets, VALUES } from './secrets-fixture.ts';

let folder: Folder;
beforeAll(async () => {
  folder = await Folder.make();
});
afterAll(() => folder.remove());
afterEach(closeServers);

describe('an effect receives a secret', () => {
  it('in headers, body, path and query of a call', async () => {
    const { url, received } = await serve((_, response) => response.end('ok'));
    const http = {
      method: 'POST' as const,
      url: `${url}/hooks/\${secrets.OTHER}?key=\${secrets.TOKEN}`,
      headers: { authorization: 'Bearer ${secrets.OTHER}' },
      body: { deep: ['${secrets.TOKEN}', 'x ${secrets.OTHER}'] },
    };
    expect(await clean({ exec: { http } })).toMatchObject({ kind: 'completed' });
    const [request] = received;
    const asked = new URL(request?.url ?? '', url);
    expect(asked.pathname).toBe('/hooks/of-another-cell');
    expect(asked.searchParams.get('key')).toBe(VALUES['TOKEN']);
    expect(request?.headers['authorization']).toBe('Bearer of-another-cell');
    expect(JSON.parse(request?.body ?? '')).toEqual({
      deep: [VALUES['TOKEN'], 'x of-another-cell'],
    });
  });

  it('in the arguments, env and stdin of a command', async () => {
    const file = folder.file('received');
    const script = `
      const [, file, argument] = process.argv;
      const stdin = require('node:fs').readFileSync(0, 'utf8');
      require('node:fs').writeFileSync(file, JSON.stringify({ argument, stdin, env: process.env.KEY }));`;
    const exec = {
      command: node(script, file, 'a=${secrets.TOKEN}'),
      env: { KEY: '${secrets.TOKEN}' },
      stdin: 'b=${secrets.TOKEN}',
    };
    await clean({ exec });
    const value = VALUES['TOKEN'];
    expect(JSON.parse(await folder.read('received'))).toEqual({
      argument: `a=${value}`,
      stdin: `b=${value}`,
      env: value,
    });
  });

  it('by asking, if it is a handler', async () => {
    let seen: unknown[] = [];
    const handler: Handler = (call) => {
      seen = [call.secret('TOKEN'), call.secret('NOT')];
      return { token: call.secret('TOKEN') ?? null };
    };
    expect(await clean({ exec: { handler: 'h' } }, { handlers: { h: handler } })).toMatchObject({
      kind: 'completed',
      output: { token: '[secret TOKEN]' },
    });
    expect(seen).toEqual([VALUES['TOKEN'], undefined]);
  });

  it('in a probe', async () => {
    const runner = runnerWith({ secrets });
    const script = `console.log(JSON.stringify({answer: 'happened', output: {key: process.env.KEY}}))`;
    const effect = { command: node(script), env: { KEY: '${secrets.TOKEN}' } };
    expect(await runner.probe(effect, CONTEXT, attempt().signals.abort)).toEqual({
      answer: 'happened',
      output: { key: '[secret TOKEN]' },
    });
  });

  it('and no variable of the replica that holds one', async () => {
    const env = { PATH: process.env['PATH'], LEASEHOLD_SECRET_TOKEN: VALUES['TOKEN'] };
    const exec = { command: node('console.log(JSON.stringify(Object.keys(process.env)))') };
    const outcome = await run({ exec }, { secrets: fixed(NO_REDACTION), env });
    expect((outcome as { output?: unknown }).output).not.toContain('LEASEHOLD_SECRET_TOKEN');
  });
});

describe('a replica that lacks a secret', () => {
  const effect = {
    http: { method: 'POST' as const, url: 'http://x', headers: { a: '${secrets.GONE}' } },
  };

  it('is the wrong one, which it finds out before the intent', () => {
    expect(runnerWith({ secrets }).unfitFor(effect)).toEqual({
      why: 'this replica has no secret GONE (LEASEHOLD_SECRETS_DIR)',
      secrets: ['GONE'],
    });
    const two = { command: ['a', '${secrets.TOKEN} ${secrets.GONE}', '${secrets.AWAY}'] };
    expect(runnerWith({ secrets }).unfitFor(two)).toEqual({
      why: 'this replica has no secrets AWAY, GONE (LEASEHOLD_SECRETS_DIR)',
      secrets: ['AWAY', 'GONE', 'TOKEN'],
    });
    expect(runnerWith().unfitFor({ command: ['true'] })).toBeUndefined();
  });

  it('has not begun it either if the secret went away after that', async () => {
    expect(await run({ exec: effect }, { secrets })).toMatchObject({
      kind: 'wrong_replica',
      why: expect.stringContaining('no secret GONE'),
    });
    expect(await runnerWith().probe(effect, CONTEXT, attempt().signals.abort)).toMatchObject({
      answer: 'wrong_replica',
    });
  });

  it('cannot be mistaken for a cell that fails: a URL has no secret in its host', async () => {
    const http = { method: 'POST' as const, url: 'http://${secrets.OTHER}/' };
    expect(await clean({ exec: { http } })).toMatchObject({
      kind: 'failed',
      class: 'notBegun',
      error: { message: expect.stringContaining('${secrets.OTHER} is a secret') },
    });
  });
});
