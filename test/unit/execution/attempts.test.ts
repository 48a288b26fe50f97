import { describe, expect, it } from 'vitest';

import { Attempts } from '../../../advancer/run/attempts.ts';

describe('attempts in hand', () => {
  it('are those that were begun and not ended', async () => {
    const attempts = new Attempts();
    const first = attempts.begin('i', 'a', 1)!;
    const other = attempts.begin('j', 'a', 1)!;
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

  it('are begun once', () => {
    const attempts = new Attempts();
    expect(attempts.begin('i', 'a', 1)).toBeDefined();
    expect(attempts.begin('i', 'a', 1)).toBeUndefined();
    expect(attempts.begin('i', 'a', 2)).toBeDefined();
  });
});

describe('"I do not run it" is a promise', () => {
  it('from then on the process does not begin that attempt, however often it is asked', () => {
    const attempts = new Attempts();
    expect(attempts.runsOrRenounces('i', 'a', 1)).toBe(false);
    expect(attempts.begin('i', 'a', 1)).toBeUndefined();
    expect(attempts.runsOrRenounces('i', 'a', 1)).toBe(false);
    expect(attempts.all()).toEqual([]);
  });

  it('is about that attempt only', () => {
    const attempts = new Attempts();
    attempts.runsOrRenounces('i', 'a', 1);
    expect(attempts.begin('i', 'a', 2)).toBeDefined();
    expect(attempts.begin('i', 'b', 1)).toBeDefined();
    expect(attempts.begin('j', 'a', 1)).toBeDefined();
  });

  it('is not given while the attempt is in hand, and binds once it is asked for after its end', () => {
    const attempts = new Attempts();
    const attempt = attempts.begin('i', 'a', 1)!;
    expect(attempts.runsOrRenounces('i', 'a', 1)).toBe(true);
    attempts.end(attempt);
    expect(attempts.runsOrRenounces('i', 'a', 1)).toBe(false);
    expect(attempts.begin('i', 'a', 1)).toBeUndefined();
  });

  it('looking alone binds nobody', () => {
    const attempts = new Attempts();
    expect(attempts.get('i', 'a', 1)).toBeUndefined();
    expect(attempts.begin('i', 'a', 1)).toBeDefined();
  });
});
