import { beforeEach, describe, expect, it } from 'vitest';

import { AnswerNotices } from '../../../../advancer/intake/answer-notices.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

describe('notices of answered requests', () => {
  let clock: HandClock;
  let sent: string[][];
  let notices: AnswerNotices;

  beforeEach(() => {
    clock = new HandClock();
    sent = [];
    notices = new AnswerNotices(clock, (keys) => sent.push(keys));
  });

  it('gathers recorded answers for 50 ms and sends them in one message', async () => {
    notices.add('a', true);
    await clock.advance(30);
    notices.add('b', true);
    await clock.advance(19);
    expect(sent).toEqual([]);
    await clock.advance(1);
    expect(sent).toEqual([['a', 'b']]);
    await clock.advance(100);
    expect(sent).toHaveLength(1);
  });

  it('sends a refusal in the same turn, with everything gathered so far', async () => {
    notices.add('a', true);
    notices.add('refused', false);
    notices.add('refused too', false);
    expect(sent).toEqual([]);
    await Promise.resolve();
    expect(sent).toEqual([['a', 'refused', 'refused too']]);
    await clock.advance(100);
    expect(sent).toHaveLength(1);
  });

  it('never make a message too large', () => {
    for (let nth = 0; nth < 1_500; nth += 1) notices.add(`k${nth}`, true);
    expect(sent.map((keys) => keys.length)).toEqual([1_000]);
    notices.flush();
    expect(sent.map((keys) => keys.length)).toEqual([1_000, 500]);
    notices.flush();
    expect(sent).toHaveLength(2);
  });
});
