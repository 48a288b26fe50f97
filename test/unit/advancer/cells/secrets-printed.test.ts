import { gzipSync } from 'node:zlib';

import { afterEach, describe, expect, it } from 'vitest';

import { NO_REDACTION } from '../../../../advancer/secrets/redaction.ts';
import { parseHttpAllow } from '../../../../src/config/http-allow.ts';
import type { Handler } from '../../../../src/runbook/handler.ts';
import type { Effect } from '../../../../src/runbook/runbook.ts';
import { formsToPrint, tracesOf } from '../../../harness/secret-hunt.ts';
import { attempt, CONTEXT, run, runnerWith } from './fixture.ts';
import { closeServers, serve, serveRaw } from './scripted-server.ts';
import { clean, fixed, node, secrets, VALUES } from './secrets-fixture.ts';

afterEach(closeServers);

/** Every way in which a command, given a text, lets it out. */
const WAYS: Record<string, [script: string, kind: string]> = {
  stdout: ['process.stdout.write(text)', 'completed'],
  'stdout as JSON': ['console.log(JSON.stringify({[text]: text, deep: [text]}))', 'completed'],
  'stdout, a character at a time': [
    'for (const char of text) require("node:fs").writeSync(1, char)',
    'completed',
  ],
  stderr: ['process.stderr.write(text); process.exitCode = 3', 'failed'],
  'stderr of a success': ['process.stderr.write(text)', 'completed'],
  'the output file': [
    'require("node:fs").writeFileSync(process.env.LEASEHOLD_OUTPUT_FILE, JSON.stringify([text]))',
    'completed',
  ],
  'the output file, not JSON': [
    'require("node:fs").writeFileSync(process.env.LEASEHOLD_OUTPUT_FILE, text)',
    'completed',
  ],
  'a signal after it': [
    'process.stderr.write(text, () => process.kill(process.pid, "SIGKILL"))',
    'unknown',
  ],
  'stdout that is too large': ['process.stdout.write(text + "x".repeat(300000))', 'completed'],
  'an output file that is too large': [
    'require("node:fs").writeFileSync(process.env.LEASEHOLD_OUTPUT_FILE, "y".repeat(1000) + text + "x".repeat(300000))',
    'completed',
  ],
  'stderr that is too long': [
    'process.stderr.write("x".repeat(9000) + text + "y".repeat(4090)); process.exitCode = 3',
    'failed',
  ],
};

describe.each(Object.entries(WAYS))('a command that prints a secret to %s', (_, [script, kind]) => {
  it('leaves no trace of it', async () => {
    const print = `let text = process.env.TEXT; ${script}`;
    const texts = Object.values(formsToPrint(VALUES['TOKEN'] ?? ''));
    for (const TEXT of [texts.join(' '), ...texts.slice(0, 2)]) {
      const outcome = await clean({ exec: { command: node(print), env: { TEXT } } });
      expect(outcome['kind']).toBe(kind);
      expect(JSON.stringify(outcome)).toContain('[secret TOKEN]');
    }
  });
});

describe('a command', () => {
  it('leaves no part of a secret where its stderr is cut, wherever that is', async () => {
    const script = `
      const value = process.env.KEY;
      process.stderr.write('x'.repeat(5000) + value + 'y'.repeat(4096 - Number(process.env.INSIDE)));
      process.exitCode = 1;`;
    for (const INSIDE of ['1', '5', '9', '14']) {
      const env = { KEY: '${secrets.OTHER}', INSIDE };
      const outcome = await clean({ exec: { command: node(script), env } });
      expect(JSON.stringify(outcome)).not.toMatch(/r-cell|cell|other/);
      expect(JSON.stringify(outcome)).toContain('[secret OTHER]');
    }
  });

  it('that is killed while it prints a secret leaves no beginning of it', async () => {
    const script = `process.stderr.write('at: ' + process.env.KEY.slice(0, 9), () =>
      process.kill(process.pid, 'SIGKILL'))`;
    const exec = { command: node(script), env: { KEY: '${secrets.OTHER}' } };
    expect(await clean({ exec })).toMatchObject({
      kind: 'unknown',
      detail: { stderr: 'at: [secret OTHER]' },
    });
  });

  it('has every secret of the replica redacted, not only those it receives', async () => {
    const exec = { command: ['sh', '-c', 'echo of-another-cell'] };
    expect(await clean({ exec })).toMatchObject({ output: { stdout: '[secret OTHER]\n' } });
  });

  it('may print a secret as a number, which stays JSON, and an expectation can look at it', async () => {
    const exec = { command: ['echo', '{"pin": 1234567890, "n": 1}'] };
    const expectation = [{ pointer: '/n', equals: 1 }];
    expect(await clean({ exec, output: 'json', expect: expectation })).toMatchObject({
      kind: 'completed',
      output: { pin: '[secret PIN]', n: 1 },
    });
  });

  it('that cannot be started has its secrets redacted in the error', async () => {
    const exec = { command: ['/not/of-another-cell'], cwd: '/not/of-another-cell' };
    expect(await clean({ exec })).toMatchObject({
      kind: 'failed',
      error: { message: expect.stringContaining('/not/[secret OTHER]') },
    });
  });
});

describe('an http call', () => {
  const http = (url: string, more: object = {}): { exec: Effect } => ({
    exec: { http: { method: 'POST', url, ...more } },
  });

  it.each([200, 404, 500])(
    'leaves no trace of an answer of %i that repeats a secret',
    async (status) => {
      const text = Object.values(formsToPrint(VALUES['TOKEN'] ?? '')).join(' ');
      const { url } = await serve((_, response) =>
        response
          .writeHead(status, { 'retry-after': VALUES['PIN'], 'x-echo': VALUES['OTHER'] })
          .end(JSON.stringify({ text })),
      );
      const outcome = await clean(http(url));
      expect(JSON.stringify(outcome)).toContain('[secret TOKEN]');
      expect(outcome).not.toHaveProperty('retryAfterMs', 1_234_567_890_000);
    },
  );

  it('leaves none of an encoded answer, of an encoding, nor of one that is too large', async () => {
    const { url } = await serve((request, response) => {
      if (request.url === '/gzip')
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('is of-another-cell'));
      else if (request.url === '/encoding')
        response
          .writeHead(200, { 'content-encoding': `${'x'.repeat(30)}of-another-cell` })
          .end('a');
      else response.end(`of-another-cell ${'x'.repeat(300_000)}`);
    });
    expect(await clean(http(`${url}/gzip`))).toMatchObject({
      output: { body: 'is [secret OTHER]' },
    });
    expect(JSON.stringify(await clean(http(`${url}/encoding`)))).not.toContain('of-another');
    expect(await clean(http(`${url}/large`))).toMatchObject({
      output: { outputLost: { head: expect.stringMatching(/^\[secret OTHER\] x/) } },
    });
  });

  it('leaves none of an answer that comes too early, nor of a URL that cannot be used', async () => {
    const { url } = await serveRaw((socket) => socket.write('late'));
    const allowed = { httpAllow: parseHttpAllow('10.0.0.0/8').entries };
    const outcome = await clean(http(`${url}/\${secrets.OTHER}`), allowed);
    expect(outcome['kind']).toBe('failed');
    expect(await clean(http('http://[/of-another-cell'))).toMatchObject({
      error: { message: '"http://[/[secret OTHER]" is not a URL' },
    });
    expect(
      await clean(http('http://127.0.0.1:1/', { headers: { a: 'x\n${secrets.OTHER}' } })),
    ).toMatchObject({ kind: 'failed' });
    expect(await clean(http('http://127.0.0.1:1/?${secrets.OTHER}'))).toMatchObject({
      kind: 'failed',
    });
  });
});

describe('a handler', () => {
  const value = VALUES['TOKEN'] ?? '';
  it.each<[string, Handler]>([
    ['returns', () => ({ [value]: [value, { at: new Date(0), value }] }) as never],
    ['returns as a number', () => ({ pin: 1_234_567_890, big: 991_234_567_890n }) as never],
    ['returns in a map, which is not JSON', () => new Map([[value, [value]]]) as never],
    ['returns as bytes', () => Buffer.from(value) as never],
    ['returns in an error', () => ({ error: new Error(value), f: () => value }) as never],
    [
      'returns in a long text of a map',
      () => new Map([[1, `${'x'.repeat(1_990)}${value}`]]) as never,
    ],
    ['throws', () => Promise.reject(new Error(`it was ${value}`))],
    ['throws in a long text', () => Promise.reject(new Error(`${'x'.repeat(985)}${value}`))],
    ['throws as a code', () => Promise.reject(Object.assign(new Error('no'), { code: value }))],
    ['throws as a cause', () => Promise.reject(new Error('no', { cause: new Error(value) }))],
  ])('leaves no trace of a secret that it %s', async (_, handler) => {
    const outcome = await clean({ exec: { handler: 'h' } }, { handlers: { h: handler } });
    expect(JSON.stringify(outcome)).not.toContain(value.slice(0, 8));
  });

  it('that is asked to stop, and then throws one, leaves none', async () => {
    const { signals, abort } = attempt();
    const handler: Handler = (call) =>
      new Promise((_, reject) => {
        call.signal.addEventListener('abort', () => reject(new Error(value)));
        setImmediate(abort);
      });
    const runner = runnerWith({ secrets, handlers: { h: handler } });
    const outcome = await runner.run({ id: 'a', exec: { handler: 'h' } }, CONTEXT, signals);
    expect(outcome).toMatchObject({ kind: 'unknown', detail: { threw: '[secret TOKEN]' } });
  });
});

describe('a probe', () => {
  it.each([
    ['an answer that is none', 'console.log(process.env.KEY)'],
    ['why it is unknown', 'console.log(JSON.stringify({answer: "unknown", why: process.env.KEY}))'],
    ['an error', 'console.error("x".repeat(990) + process.env.KEY); process.exitCode = 1'],
    ['a long answer', 'console.log(JSON.stringify(["x".repeat(190) + process.env.KEY]))'],
  ])('leaves no trace of a secret in %s', async (_, script) => {
    const effect = { command: node(script), env: { KEY: '${secrets.OTHER}' } };
    const answer = await runnerWith({ secrets }).probe(effect, CONTEXT, attempt().signals.abort);
    expect(JSON.stringify(answer)).not.toContain('of-an');
    expect(answer.answer).toBe('unknown');
  });
});

describe('without redaction', () => {
  it('the hunt finds the secret, in each way in which a command lets it out', async () => {
    for (const [way, [script]] of Object.entries(WAYS)) {
      const exec = { command: node(`let text = process.env.TEXT; ${script}`), env: {} };
      Object.assign(exec.env, { TEXT: '${secrets.OTHER}' });
      const outcome = await run({ exec }, { secrets: fixed(NO_REDACTION) });
      const traces = tracesOf(VALUES, [['outcome', JSON.stringify(outcome)]]);
      expect([way, traces.length > 0 || /of-an|r-cell/.test(JSON.stringify(outcome))]).toEqual([
        way,
        true,
      ]);
    }
  });
});
