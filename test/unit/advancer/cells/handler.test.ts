import { describe, expect, it } from 'vitest';

import type { Handler, HandlerCall } from '../../../../src/runbook/handler.ts';
import { attempt, cell, CONTEXT, run, runnerWith } from './fixture.ts';
import type { Ends } from '../../../../src/lease/holding.ts';

/** Runs a handler under the name `h`. */
function runHandler(handler: Handler, fields: object = {}): ReturnType<typeof run> {
  return run({ exec: { handler: 'h' }, ...fields }, { handlers: { h: handler } });
}

/** A handler that never ends by itself, and the moment at which it was called. */
function endless(
  onAbort?: (
    call: HandlerCall,
    settle: { resolve: (v: string) => void; reject: (e: Error) => void },
  ) => void,
): {
  handler: Handler;
  called: Promise<void>;
} {
  let announce = (): void => undefined;
  const called = new Promise<void>((resolve) => (announce = resolve));
  const handler: Handler = (call) =>
    new Promise<string>((resolve, reject) => {
      call.signal.addEventListener('abort', () => onAbort?.(call, { resolve, reject }));
      announce();
    });
  return { handler, called };
}

describe('a handler', () => {
  it('gets its token, key, attempt, inputs and outputs, and its return is the output', async () => {
    let seen: Omit<HandlerCall, 'signal'> | undefined;
    const outcome = await runHandler(({ signal, ...call }) => {
      expect(signal.aborted).toBe(false);
      seen = call;
      return { done: true };
    });
    expect(seen).toEqual(CONTEXT);
    expect(outcome).toMatchObject({ kind: 'completed', output: { done: true } });
  });

  it('that returns nothing completes with null', async () => {
    expect(await runHandler(() => undefined)).toMatchObject({ kind: 'completed', output: null });
  });

  it('that throws has failed, with its message and code', async () => {
    const broke = Object.assign(new Error('card declined'), { code: 'DECLINED' });
    expect(await runHandler(() => Promise.reject(broke))).toMatchObject({
      kind: 'failed',
      error: { message: 'card declined', code: 'threw' },
      detail: { code: 'DECLINED' },
    });
    expect(
      await runHandler(() => {
        throw broke;
      }),
    ).toMatchObject({ kind: 'failed', error: { message: 'card declined' } });
  });

  it('that throws as predicted has completed', async () => {
    const outcome = await runHandler(
      () => {
        throw new Error('no such order');
      },
      { expect: [{ errorIncludes: 'no such' }] },
    );
    expect(outcome).toMatchObject({ kind: 'completed', output: { error: 'no such order' } });
  });

  it('whose output is not as expected has failed, and its output is kept', async () => {
    expect(
      await runHandler(() => ({ n: 1 }), { expect: [{ pointer: '/n', equals: 2 }] }),
    ).toMatchObject({
      kind: 'failed',
      error: { message: 'output /n was expected to be 2, but is 1', code: 'unexpected' },
      output: { n: 1 },
    });
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      'a function',
      () => ({ a: { b: () => 1 } }),
      /the output's a\.b is a function, which is not JSON/,
    ],
    ['a BigInt', () => 1n, /the output is a bigint, which is not JSON/],
    ['NaN', () => [Number.NaN], /the output's 0 is NaN/],
    ['a Map', () => new Map(), /the output is a Map/],
    [
      'a cycle',
      () => {
        const a: Record<string, unknown> = {};
        a['a'] = a;
        return a;
      },
      /inside itself/,
    ],
    ['too much', () => 'x'.repeat(262_144), /262146 bytes of JSON, and 262144 are allowed/],
  ])('whose output is %s has failed, with a message that says why', async (_, give, message) => {
    const outcome = await runHandler((() => give()) as Handler);
    expect(outcome).toMatchObject({
      kind: 'failed',
      error: { message: expect.stringMatching(message) },
    });
  });

  it('returns what the log can store: dates as text, no undefined, no NUL, no half surrogates', async () => {
    const give = (): unknown => ({ at: new Date(0), none: undefined, text: 'a\u0000b\ud800c😀' });
    expect(await runHandler(give as Handler)).toMatchObject({
      kind: 'completed',
      output: { at: '1970-01-01T00:00:00.000Z', text: 'a\ufffdb\ufffdc😀' },
    });
  });

  it('that is not registered is a failure that names those that are', async () => {
    const handlers = { one: () => null, two: () => null };
    for (const name of ['three', 'toString', '__proto__']) {
      expect(await run({ exec: { handler: name } }, { handlers })).toMatchObject({
        kind: 'failed',
        error: {
          message: expect.stringMatching(/registered .*: there are one, two$/),
          code: 'unknown_handler',
        },
      });
    }
  });

  it('that modifies its arguments does not affect others', async () => {
    await runHandler((call) => {
      call.inputs['order'] = 'changed';
    });
    expect(CONTEXT.inputs['order']).toBe('o-1');
  });
});

describe('a handler that is cancelled', () => {
  it('on time-out and throws then is unknown, not failed', async () => {
    const { handler } = endless((call, { reject }) => reject(call.signal.reason as Error));
    expect(await runHandler(handler, { timeout: '20ms' })).toMatchObject({
      kind: 'unknown',
      reason: 'timeout',
    });
  });

  it('on shutdown and returns its result anyway has completed', async () => {
    const { handler, called } = endless((_, { resolve }) => resolve('done'));
    const { signals, abort } = attempt();
    const outcome = runnerWith({ handlers: { h: handler } }).run(
      cell({ exec: { handler: 'h' } }),
      CONTEXT,
      signals,
    );
    await called;
    abort();
    expect(await outcome).toMatchObject({ kind: 'completed', output: 'done' });
  });

  it('and returns something unexpected is unknown: an abort is not a failure', async () => {
    const { handler, called } = endless((_, { resolve }) => resolve('half done'));
    const { signals, abort } = attempt();
    const outcome = runnerWith({ handlers: { h: handler } }).run(
      cell({ exec: { handler: 'h' }, expect: [{ pointer: '', equals: 'done' }] }),
      CONTEXT,
      signals,
    );
    await called;
    abort();
    expect(await outcome).toMatchObject({ kind: 'unknown', reason: 'aborted' });
  });

  it('and returns an invalid output is also unknown', async () => {
    const { handler, called } = endless((_, { resolve }) => resolve(10n as never));
    const { signals, abort } = attempt();
    const outcome = runnerWith({ handlers: { h: handler } }).run(
      cell({ exec: { handler: 'h' } }),
      CONTEXT,
      signals,
    );
    await called;
    abort();
    expect(await outcome).toMatchObject({ kind: 'unknown', reason: 'aborted' });
  });

  it('and ignores it is abandoned after the grace period, as still running', async () => {
    const warnings: string[] = [];
    const { handler } = endless();
    const outcome = await run(
      { exec: { handler: 'h' }, timeout: '10ms' },
      {
        handlers: { h: handler },
        limits: { graceMs: 20 },
        logger: {
          debug: () => {},
          info: () => {},
          warn: (_, message) => warnings.push(message),
          error: () => {},
        },
      },
    );
    expect(outcome).toMatchObject({
      kind: 'unknown',
      reason: 'timeout',
      detail: { stillRunning: true },
    });
    expect(warnings).toEqual(['a handler ignores its signal and is still running']);
  });

  it('of a hold cell whose lease is lost may run to its end', async () => {
    let finish: (result: string) => void = () => undefined;
    const { handler, called } = endless((_, { resolve }) => (finish = resolve));
    const { signals, lose } = attempt();
    const outcome = runnerWith({ handlers: { h: handler }, limits: { graceMs: 1 } }).run(
      cell({ exec: { handler: 'h' } }),
      CONTEXT,
      signals,
    );
    await called;
    lose();
    // Longer than the grace, which must not count here.
    const early = await Promise.race([
      outcome,
      new Promise((resolve) => setTimeout(resolve, 50, 'still running')),
    ]);
    expect(early).toBe('still running');
    finish('done');
    expect(await outcome).toMatchObject({ kind: 'completed', output: 'done' });
  });

  it.each(['rerun', 'probe'] as const)(
    'of a %s cell whose lease is lost is ended',
    async (onInterrupt) => {
      const { handler, called } = endless();
      const { signals, lose } = attempt();
      const outcome = runnerWith({ handlers: { h: handler }, limits: { graceMs: 1 } }).run(
        cell({ exec: { handler: 'h' }, onInterrupt }),
        CONTEXT,
        signals,
      );
      await called;
      lose();
      expect(await outcome).toMatchObject({
        kind: 'unknown',
        reason: 'aborted',
        detail: { stillRunning: true },
      });
    },
  );

  it.each(['lose', 'abort'] as const)('before it began (%s) is never called', async (act) => {
    let calls = 0;
    const one = attempt();
    one[act]();
    const outcome = await runnerWith({ handlers: { h: () => void (calls += 1) } }).run(
      cell({ exec: { handler: 'h' } }),
      CONTEXT,
      one.signals,
    );
    expect(outcome).toEqual({ kind: 'unknown', reason: 'aborted', detail: { notBegun: true } });
    expect(calls).toBe(0);
  });
});

describe('the runner', () => {
  it('calls a handler in the same turn of the event loop, because the trust was checked just before', async () => {
    let calls = 0;
    const outcome = runnerWith({ handlers: { h: () => void (calls += 1) } }).run(
      cell({ exec: { handler: 'h' } }),
      CONTEXT,
      attempt().signals,
    );
    expect(calls).toBe(1);
    await outcome;
  });

  it('reaches the failpoint in_effect inside the effect, whose outcome is unknown if it fails', async () => {
    const met: unknown[] = [];
    const outcome = await run(
      { exec: { handler: 'h' } },
      {
        handlers: { h: () => 'done' },
        failpoint: (name, place) => {
          met.push([name, place]);
          return Promise.reject(new Error('injected'));
        },
      },
    );
    expect(met).toEqual([['in_effect', { instanceId: 'i-1', cellId: 'charge', attempt: 2 }]]);
    expect(outcome).toMatchObject({
      kind: 'unknown',
      reason: 'crash',
      detail: { message: 'injected' },
    });
  });

  it('leaves one listener at most, however many attempts are over', async () => {
    const { signals } = attempt();
    let listeners = 0;
    const { abort } = signals;
    const add = abort.addEventListener.bind(abort);
    const remove = abort.removeEventListener.bind(abort);
    abort.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    abort.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    let atLease = 0;
    const lease: Ends = {
      ended: false,
      onEnd(listener) {
        atLease += 1;
        const takeBack = signals.lease.onEnd(listener);
        return () => {
          atLease -= 1;
          takeBack();
        };
      },
    };
    const runner = runnerWith({ handlers: { h: () => null } });
    for (let nth = 0; nth < 10; nth += 1) {
      await runner.run(cell({ exec: { handler: 'h' } }), CONTEXT, { lease, abort });
    }
    expect(listeners).toBeLessThanOrEqual(1);
    expect(atLease).toBe(0);
  });
});
