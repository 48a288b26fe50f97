import { beforeEach, describe, expect, it } from 'vitest';

import { AnswerNotices } from '../../../../advancer/intake/answer-notices.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

describe('notes of answered requests', () => {
  let clock: HandClock;
  let sent: string[][];
  let notes: AnswerNotices;

  beforeEach(() => {
    clock = new HandClock();
    sent = [];
    notes = new AnswerNotices(clock, (keys) => sent.push(keys));
  });

  it('gathers what is recorded for a moment, and sends it in one message', async () => {
    notes.add('a', true);
    await clock.advance(30);
    notes.add('b', true);
    await clock.advance(19);
    expect(sent).toEqual([]);
    await clock.advance(1);
    expect(sent).toEqual([['a', 'b']]);
    await clock.advance(100);
    expect(sent).toHaveLength(1);
  });

  it('sends a refusal in the same turn, and what has gathered with it', async () => {
    notes.add('a', true);
    notes.add('refused', false);
    notes.add('refused too', false);
    expect(sent).toEqual([]);
    await Promise.resolve();
    expect(sent).toEqual([['a', 'refused', 'refused too']]);
    await clock.advance(100);
    expect(sent).toHaveLength(1);
  });

  it('never makes a message too large', () => {
    for (let nth = 0; nth < 1_500; nth += 1) notes.add(`k${nth}`, true);
    expect(sent.map((keys) => keys.length)).toEqual([1_000]);
    notes.flush();
    expect(sent.map((keys) => keys.length)).toEqual([1_000, 500]);
    notes.flush();
    expect(sent).toHaveLength(2);
  });
});
