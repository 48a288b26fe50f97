import { describe, expect, it } from 'vitest';

import type { Ends } from '../../../../src/lease/holding.ts';
import { attempt, cell, CONTEXT, run, runnerWith } from './fixture.ts';

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
    let listening = 0;
    const counting = (ends: Ends): Ends => ({
      ended: false,
      onEnd(listener) {
        listening += 1;
        const takeBack = ends.onEnd(listener);
        return () => {
          listening -= 1;
          takeBack();
        };
      },
    });
    const lease = counting(signals.lease);
    const notCancelled = counting(signals.notCancelled);
    const runner = runnerWith({ handlers: { h: () => null } });
    for (let nth = 0; nth < 10; nth += 1) {
      await runner.run(cell({ exec: { handler: 'h' } }), CONTEXT, { lease, notCancelled, abort });
    }
    expect(listeners).toBeLessThanOrEqual(1);
    expect(listening).toBe(0);
  });
});
