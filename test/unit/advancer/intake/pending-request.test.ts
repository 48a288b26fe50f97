import { describe, expect, it } from 'vitest';

import { PendingRequest, type Operation } from '../../../../advancer/intake/pending-request.ts';
import type { Json } from '../../../../src/json.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

const operation: Operation = {
  key: 'advance/i/q',
  instanceId: 'i',
  share: { agentId: 'a', bytes: 0 },
  expiresAtMs: 0,
  runsEffects: true,
  serve: () => Promise.resolve({ kind: 'handed_on' }),
  refusal: () => null,
};

describe('a pending request', () => {
  it('replies to every sender, which settles it', () => {
    const heard: [string, Json][] = [];
    const pending = new PendingRequest(operation, 0, (body) => void heard.push(['first', body]));
    pending.alsoReplyTo((body) => void heard.push(['second', body]));
    expect(pending.settled).toBe(false);
    pending.answer({ outcome: 'completed' });
    expect(heard).toEqual([
      ['first', { outcome: 'completed' }],
      ['second', { outcome: 'completed' }],
    ]);
    expect(pending.settled).toBe(true);
  });

  it('that another replica has answered sends no reply', () => {
    const heard: Json[] = [];
    const pending = new PendingRequest(operation, 0, (body) => void heard.push(body));
    pending.settle();
    expect(pending.settled).toBe(true);
    expect(heard).toEqual([]);
  });

  it('is woken from its pause', async () => {
    const pending = new PendingRequest(operation, 0, () => undefined);
    const pause = pending.pauseUntilWoken(new HandClock(), 1_000);
    pending.wake();
    expect(await pause).toBeUndefined();
  });

  it('does not pause if it was woken just before: no wake-up is missed', async () => {
    const pending = new PendingRequest(operation, 0, () => undefined);
    pending.wake();
    await pending.pauseUntilWoken(new HandClock(), 1_000);
    // That was one wake-up, so the next pause lasts.
    const next = pending.pauseUntilWoken(new HandClock(), 1_000).then(() => 'woken');
    const still = new Promise((resolve) => setImmediate(() => resolve('asleep')));
    expect(await Promise.race([next, still])).toBe('asleep');
  });

  it('continues when its pause is over', async () => {
    const pending = new PendingRequest(operation, 0, () => undefined);
    const clock = new HandClock();
    const pause = pending.pauseUntilWoken(clock, 1_000);
    await clock.advance(1_000);
    await pause;
    expect(pending.settled).toBe(false);
  });
});
