import { describe, expect, it } from 'vitest';

import { NotBegun } from '../../../../src/execution/handler-error.ts';
import { attempt, cell, CONTEXT, run, runnerWith } from './fixture.ts';
import { endless, runHandler } from './handler-fixture.ts';

/** The outcome of a handler whose attempt is aborted once it was called. */
async function aborted({ handler, called }: ReturnType<typeof endless>, fields: object = {}) {
  const { signals, abort } = attempt();
  const outcome = runnerWith({ handlers: { h: handler } }).run(
    cell({ exec: { handler: 'h' }, ...fields }),
    CONTEXT,
    signals,
  );
  await called;
  abort();
  return outcome;
}

describe('a handler that is cancelled', () => {
  it('on time-out and throws then is unknown, not failed', async () => {
    const { handler } = endless((call, { reject }) => reject(call.signal.reason as Error));
    expect(await runHandler(handler, { timeout: '20ms' })).toMatchObject({
      kind: 'unknown',
      reason: 'timeout',
    });
  });

  it('and says that nothing was begun is unknown: it was stopped in the middle', async () => {
    const { handler, called } = endless((_, { reject }) => reject(new NotBegun('early')));
    expect(await aborted({ handler, called })).toMatchObject({
      kind: 'unknown',
      reason: 'aborted',
      detail: { threw: 'early' },
    });
  });

  it('on shutdown and returns its result anyway has completed', async () => {
    const { handler, called } = endless((_, { resolve }) => resolve('done'));
    expect(await aborted({ handler, called })).toMatchObject({ kind: 'completed', output: 'done' });
  });

  it('and returns something unexpected is unknown: an abort is not a failure', async () => {
    const { handler, called } = endless((_, { resolve }) => resolve('half done'));
    const expected = { expect: [{ pointer: '', equals: 'done' }] };
    expect(await aborted({ handler, called }, expected)).toMatchObject({
      kind: 'unknown',
      reason: 'aborted',
    });
  });

  it('and returns an output that cannot be stored has completed without it', async () => {
    const { handler, called } = endless((_, { resolve }) => resolve((() => 1) as never));
    expect(await aborted({ handler, called })).toMatchObject({
      kind: 'completed',
      output: { outputLost: { why: 'the output is a function, which is not JSON' } },
    });
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
