import { describe, expect, it } from 'vitest';

import { Attempts } from '../../../../advancer/run/attempts.ts';

describe('attempts in hand', () => {
  it('are those that were taken and not ended', async () => {
    const attempts = new Attempts();
    const first = attempts.take('i', 'a', 1, 7)!;
    const other = attempts.take('j', 'a', 1, 7)!;
    expect(attempts.all()).toEqual([first, other]);
    let over = false;
    void first.done.then(() => {
      over = true;
    });
    await Promise.resolve();
    expect(over).toBe(false);
    attempts.end(first);
    await first.done;
    expect(attempts.all()).toEqual([other]);
    expect(attempts.get('i', 'a', 1)).toBeUndefined();
    expect(attempts.get('j', 'a', 1)).toBe(other);
    // Twice does no harm.
    attempts.end(first);
    expect(attempts.all()).toEqual([other]);
  });

  it('are taken once, and begun once', () => {
    const attempts = new Attempts();
    const attempt = attempts.take('i', 'a', 1, 7)!;
    expect(attempts.take('i', 'a', 1, 7)).toBeUndefined();
    expect(attempts.take('i', 'a', 2, 7)).toBeDefined();
    expect(attempt.begun).toBe(false);
    expect(attempts.begin(attempt)).toBe(true);
    expect(attempt.begun).toBe(true);
    attempts.end(attempt);
    expect(attempts.begin(attempt)).toBe(false);
  });
});

describe('"I do not run it" is a promise', () => {
  it('from then on the process does not begin that attempt, however often another asks', () => {
    const attempts = new Attempts();
    expect(attempts.runsOrRenounces('i', 'a', 1)).toBe('does_not_run');
    expect(attempts.take('i', 'a', 1, 7)).toBeUndefined();
    expect(attempts.runsOrRenounces('i', 'a', 1)).toBe('does_not_run');
    expect(attempts.all()).toEqual([]);
  });

  it('is about that attempt only', () => {
    const attempts = new Attempts();
    attempts.runsOrRenounces('i', 'a', 1);
    expect(attempts.take('i', 'a', 2, 7)).toBeDefined();
    expect(attempts.take('i', 'b', 1, 7)).toBeDefined();
    expect(attempts.take('j', 'a', 1, 7)).toBeDefined();
  });

  it('is not made while its effect is under way, and binds once another asks after its end', () => {
    const attempts = new Attempts();
    const attempt = attempts.take('i', 'a', 1, 7)!;
    attempts.begin(attempt);
    expect(attempts.runsOrRenounces('i', 'a', 1)).toBe('runs');
    expect(attempts.renounced(attempt)).toBe(false);
    attempts.end(attempt);
    expect(attempts.runsOrRenounces('i', 'a', 1)).toBe('does_not_run');
    expect(attempts.take('i', 'a', 1, 7)).toBeUndefined();
  });

  it('is made about one in hand whose effect has not begun, which then never begins', () => {
    const attempts = new Attempts();
    const attempt = attempts.take('i', 'a', 1, 7)!;
    // An earlier term, this one's own, or one that does not name itself has replaced no other.
    expect(attempts.runsOrRenounces('i', 'a', 1, 6)).toBe('runs');
    expect(attempts.runsOrRenounces('i', 'a', 1, 7)).toBe('runs');
    expect(attempts.runsOrRenounces('i', 'a', 1)).toBe('runs');
    expect(attempts.runsOrRenounces('i', 'a', 1, 8)).toBe('never_began');
    expect(attempts.renounced(attempt)).toBe(true);
    expect(attempts.begin(attempt)).toBe(false);
    expect(attempt.begun).toBe(false);
    attempts.end(attempt);
    expect(attempts.runsOrRenounces('i', 'a', 1)).toBe('never_began');
    expect(attempts.take('i', 'a', 1, 7)).toBeUndefined();
  });

  it('a look alone promises nothing', () => {
    const attempts = new Attempts();
    expect(attempts.get('i', 'a', 1)).toBeUndefined();
    expect(attempts.take('i', 'a', 1, 7)).toBeDefined();
  });
});

describe('giving up', () => {
  it('cancels what has not begun, once, and nothing else', () => {
    const attempts = new Attempts();
    const calls: string[] = [];
    const running = attempts.take('i', 'a', 1, 7, () => calls.push('i'))!;
    const waiting = attempts.take('j', 'a', 1, 7, () => calls.push('j'))!;
    attempts.begin(running);
    attempts.giveUp();
    attempts.giveUp();
    expect(calls).toEqual(['j']);
    expect(attempts.begin(waiting)).toBe(false);
    expect(attempts.runsOrRenounces('i', 'a', 1)).toBe('runs');
    expect(attempts.runsOrRenounces('j', 'a', 1, 8)).toBe('never_began');
  });

  it('promises nothing once its intent turned out not to be in the log: it may still be made', () => {
    const attempts = new Attempts();
    const waiting = attempts.take('i', 'a', 1, 7)!;
    attempts.giveUp();
    attempts.end(waiting);
    expect(attempts.take('i', 'a', 1, 7)).toBeDefined();
  });
});
