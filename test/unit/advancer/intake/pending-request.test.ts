import { describe, expect, it } from 'vitest';

import { PendingRequest, type Operation } from '../../../../advancer/intake/pending-request.ts';
import type { Json } from '../../../../src/json.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

const errand: Operation = {
  key: 'advance/i/q',
  instanceId: 'i',
  expiresAtMs: 0,
  serve: () => Promise.resolve({ kind: 'handed_on' }),
  refusal: () => null,
};

describe('a remembered request', () => {
  it('answers everybody who sent it, and is settled by that', () => {
    const heard: [string, Json][] = [];
    const ask = new PendingRequest(errand, 0, (body) => void heard.push(['first', body]));
    ask.alsoReplyTo((body) => void heard.push(['second', body]));
    expect(ask.settled).toBe(false);
    ask.answer({ outcome: 'completed' });
    expect(heard).toEqual([
      ['first', { outcome: 'completed' }],
      ['second', { outcome: 'completed' }],
    ]);
    expect(ask.settled).toBe(true);
  });

  it('that others have answered says nothing', () => {
    const heard: Json[] = [];
    const ask = new PendingRequest(errand, 0, (body) => void heard.push(body));
    ask.settle();
    expect(ask.settled).toBe(true);
    expect(heard).toEqual([]);
  });

  it('is woken out of its pause', async () => {
    const ask = new PendingRequest(errand, 0, () => undefined);
    const pause = ask.pauseUntilWoken(new HandClock(), 1_000);
    ask.wake();
    expect(await pause).toBeUndefined();
  });

  it('is not put to sleep by a pause that begins after it was woken: nothing is missed', async () => {
    const ask = new PendingRequest(errand, 0, () => undefined);
    ask.wake();
    await ask.pauseUntilWoken(new HandClock(), 1_000);
    // That was one waking, so the next pause lasts.
    const next = ask.pauseUntilWoken(new HandClock(), 1_000).then(() => 'woken');
    const still = new Promise((resolve) => setImmediate(() => resolve('asleep')));
    expect(await Promise.race([next, still])).toBe('asleep');
  });

  it('goes on by itself when its pause is over', async () => {
    const ask = new PendingRequest(errand, 0, () => undefined);
    const clock = new HandClock();
    const pause = ask.pauseUntilWoken(clock, 1_000);
    await clock.advance(1_000);
    await pause;
    expect(ask.settled).toBe(false);
  });
});
