import { afterEach, describe, expect, it } from 'vitest';

import type { CellOutcome } from '../../../../advancer/cells/cells.ts';
import { NotBegun, OutcomeUnknown } from '../../../../src/execution/handler-error.ts';
import type { Handler, HandlerCall } from '../../../../src/runbook/handler.ts';
import { CONTEXT, run, runnerWith } from './fixture.ts';
import { runHandler } from './handler-fixture.ts';
import { closeServers, serveRaw } from './scripted-server.ts';

afterEach(closeServers);

describe('a handler', () => {
  it('gets its token, key, attempt, inputs and outputs, and its return is the output', async () => {
    let seen: Omit<HandlerCall, 'signal' | 'secret'> | undefined;
    const outcome = await runHandler(({ signal, secret, ...call }) => {
      expect(signal.aborted).toBe(false);
      expect(secret('NONE')).toBeUndefined();
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
      class: 'refused',
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
      class: 'succeeded',
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
    ['too much', () => 'x'.repeat(262_144), /262146 bytes, and 262144 are allowed/],
  ])('whose output is %s has completed without it, and says why', async (_, give, why) => {
    const outcome = await runHandler((() => give()) as Handler);
    expect(outcome).toMatchObject({
      kind: 'completed',
      output: { outputLost: { why: expect.stringMatching(why), bytes: expect.any(Number) } },
    });
  });

  it('says what it knows of its effect by what it throws', async () => {
    const throwing = (error: unknown): Promise<CellOutcome> =>
      runHandler(() => {
        throw error;
      });
    expect(await throwing(new NotBegun('the queue is full'))).toMatchObject({
      kind: 'failed',
      class: 'notBegun',
      error: { message: 'the queue is full', code: 'threw' },
    });
    expect(await throwing(new OutcomeUnknown('no answer'))).toMatchObject({
      kind: 'unknown',
      reason: 'crash',
      detail: { message: 'no answer' },
    });
    const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET' });
    expect(await throwing(new Error('charge failed', { cause: reset }))).toMatchObject({
      kind: 'unknown',
      reason: 'crash',
      detail: { message: 'charge failed' },
    });
  });

  it('whose fetch is cut off is unknown', async () => {
    const { url } = await serveRaw((socket) => socket.destroy());
    expect(await runHandler(async () => void (await fetch(url)))).toMatchObject({
      kind: 'unknown',
      reason: 'crash',
    });
  });

  it('returns what the log can store: dates as text, no undefined, no NUL, no half surrogates', async () => {
    const give = (): unknown => ({ at: new Date(0), none: undefined, text: 'a\u0000b\ud800c😀' });
    expect(await runHandler(give as Handler)).toMatchObject({
      kind: 'completed',
      output: { at: '1970-01-01T00:00:00.000Z', text: 'a\ufffdb\ufffdc😀' },
    });
  });

  it("that this replica does not have is the replica's problem, and never a failure", async () => {
    const handlers = { one: () => null, two: () => null };
    for (const name of ['three', 'toString', '__proto__']) {
      expect(runnerWith({ handlers }).unfitFor({ handler: name })).toEqual({
        why: `this replica has no handler "${name}" (LEASEHOLD_HANDLERS)`,
        handler: name,
      });
      expect(await run({ exec: { handler: name } }, { handlers })).toMatchObject({
        kind: 'wrong_replica',
        why: expect.stringContaining(`no handler "${name}"`),
      });
    }
    expect(runnerWith({ handlers }).unfitFor({ handler: 'one' })).toBeUndefined();
  });

  it('that modifies its arguments does not affect others', async () => {
    await runHandler((call) => {
      call.inputs['order'] = 'changed';
    });
    expect(CONTEXT.inputs['order']).toBe('o-1');
  });
});
