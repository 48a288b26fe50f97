import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { describe, expect, it } from 'vitest';

import type { ProbeAnswer } from '../../../../advancer/cells/cells.ts';
import type { Effect } from '../../../../src/runbook/runbook.ts';
import { CONTEXT, runnerWith } from './fixture.ts';

const never = (): AbortSignal => new AbortController().signal;

function runProbe(effect: Effect, options = {}): Promise<ProbeAnswer> {
  return runnerWith(options).probe(effect, CONTEXT, never());
}

/** Probes with a handler that returns this. */
function probeThatReturns(output: unknown): Promise<ProbeAnswer> {
  return runProbe({ handler: 'h' }, { handlers: { h: () => output } });
}

describe('a probe', () => {
  it('answers happened with its output, did_not_happen, or unknown', async () => {
    expect(await probeThatReturns({ answer: 'happened', output: { count: 1 } })).toEqual({
      answer: 'happened',
      output: { count: 1 },
    });
    expect(await probeThatReturns({ answer: 'happened' })).toEqual({
      answer: 'happened',
      output: null,
    });
    expect(await probeThatReturns({ answer: 'did_not_happen' })).toEqual({
      answer: 'did_not_happen',
    });
    expect(await probeThatReturns({ answer: 'unknown', why: 'down' })).toEqual({
      answer: 'unknown',
      why: 'down',
    });
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['text', 'happened'],
    ['another answer', { answer: 'maybe' }],
    ['a boolean', { happened: true }],
    ['a list', [{ answer: 'happened' }]],
  ])('that returns %s is unknown', async (_, output) => {
    expect(await probeThatReturns(output)).toEqual({
      answer: 'unknown',
      why: expect.stringMatching(/^the probe must answer/),
    });
  });

  it('may be a command, which gets the attempt in question', async () => {
    const script =
      'printf \'{"answer": "happened", "output": "%s/%s"}\' "$LEASEHOLD_ATTEMPT" "$LEASEHOLD_IDEMPOTENCY_KEY"';
    expect(await runProbe({ command: ['sh', '-c', script] })).toEqual({
      answer: 'happened',
      output: '2/i-1/charge/1',
    });
  });

  it('may be an http call', async () => {
    const server = createServer((request, response) => {
      const happened = request.headers['idempotency-key'] === 'i-1/charge/1';
      response.writeHead(request.url === '/broken' ? 500 : 200);
      response.end(JSON.stringify({ answer: happened ? 'did_not_happen' : 'unknown' }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      expect(await runProbe({ http: { method: 'GET', url } })).toEqual({
        answer: 'did_not_happen',
      });
      expect(await runProbe({ http: { method: 'GET', url: `${url}/broken` } })).toMatchObject({
        answer: 'unknown',
      });
    } finally {
      server.close();
    }
  });

  it.each<[string, Effect, RegExp]>([
    [
      'exits with another code than 0',
      { command: ['sh', '-c', 'echo \'{"answer":"happened"}\'; exit 1'] },
      /exit code 1/,
    ],
    ['is ended by a signal', { command: ['sh', '-c', 'kill -9 $$'] }, /cut off/],
    ['cannot be started', { command: ['/nowhere/probe'] }, /ENOENT/],
    ['throws', { handler: 'throws' }, /the probe failed: boom/],
    ['cannot be filled', { command: ['${inputs.absent}'] }, /cannot be filled/],
    ['takes too long', { command: ['sleep', '60'] }, /the probe was ended: timeout/],
  ])('that %s leaves the attempt in doubt', async (_, effect, why) => {
    const handlers = {
      throws: () => {
        throw new Error('boom');
      },
    };
    const answer = await runProbe(effect, { handlers, limits: { probeTimeoutMs: 200 } });
    expect(answer).toEqual({ answer: 'unknown', why: expect.stringMatching(why) });
  });

  it('whose handler this replica does not have is left to another one', async () => {
    const answer = await runProbe({ handler: 'absent' }, {});
    expect(answer).toEqual({
      answer: 'wrong_replica',
      why: 'this replica has no handler "absent" (LEASEHOLD_HANDLERS)',
    });
  });

  it('that is aborted, before or during its run, leaves the attempt in doubt', async () => {
    const stop = new AbortController();
    const handlers = {
      h: () => {
        stop.abort();
        return new Promise<null>(() => undefined);
      },
    };
    const runner = runnerWith({ handlers, limits: { graceMs: 1 } });
    for (const why of [/the probe was ended: aborted/, /the probe was not begun/]) {
      expect(await runner.probe({ handler: 'h' }, CONTEXT, stop.signal)).toEqual({
        answer: 'unknown',
        why: expect.stringMatching(why),
      });
    }
  });
});
