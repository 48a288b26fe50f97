import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { describe, expect, it } from 'vitest';

import { Attempts } from '../../../../advancer/run/attempts.ts';
import { holdingOf } from '../../../harness/holder.ts';

/** The attempts of a process that holds instance i under this token. */
function process(token: number): { attempts: Attempts; term: { superseded: boolean } } {
  const holding = holdingOf('i', token);
  const term = { superseded: false };
  const attempts = new Attempts(() => ({
    holding: (instanceId) => (instanceId === 'i' && !term.superseded ? holding : undefined),
    supersede: () => {
      term.superseded = true;
    },
  }));
  return { attempts, term };
}

function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return globalThis.process.memoryUsage().heapUsed;
}

describe('attempts in hand', () => {
  it('are those that were taken and not ended', async () => {
    const attempts = process(7).attempts;
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
    const attempts = process(7).attempts;
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
  it('ends the present term, if the term that asks is a later one: then nothing is begun under it', () => {
    const { attempts, term } = process(7);
    expect(attempts.runsOrRenounces('i', 'a', 1, 8)).toBe('does_not_run');
    expect(term.superseded).toBe(true);
    expect(attempts.all()).toEqual([]);
  });

  it('leaves a later term of this process alone, and its terms of other instances', () => {
    const { attempts, term } = process(7);
    expect(attempts.runsOrRenounces('i', 'a', 1, 6)).toBe('does_not_run');
    expect(attempts.runsOrRenounces('i', 'a', 1, 7)).toBe('does_not_run');
    expect(attempts.runsOrRenounces('j', 'a', 1, 8)).toBe('does_not_run');
    expect(term.superseded).toBe(false);
  });

  it('is not made to a term that does not say which one it is', () => {
    const { attempts, term } = process(7);
    expect(attempts.runsOrRenounces('i', 'a', 1, undefined)).toBe('runs');
    expect(term.superseded).toBe(false);
  });

  it('about an attempt that does not exist binds nobody: it can be made under a later term', () => {
    const { attempts } = process(7);
    expect(attempts.runsOrRenounces('i', 'a', 1, Number.MAX_SAFE_INTEGER)).toBe('does_not_run');
    const attempt = attempts.take('i', 'a', 1, 8)!;
    expect(attempts.begin(attempt)).toBe(true);
  });

  it('is not made while its effect is under way', () => {
    const { attempts, term } = process(7);
    const attempt = attempts.take('i', 'a', 1, 7)!;
    attempts.begin(attempt);
    expect(attempts.runsOrRenounces('i', 'a', 1, 8)).toBe('runs');
    expect(attempts.renounced(attempt)).toBe(false);
    expect(term.superseded).toBe(false);
    attempts.end(attempt);
    expect(attempts.runsOrRenounces('i', 'a', 1, 8)).toBe('does_not_run');
    expect(term.superseded).toBe(true);
  });

  it('is made about one in hand whose effect has not begun, which then never begins', () => {
    const { attempts, term } = process(7);
    const attempt = attempts.take('i', 'a', 1, 7)!;
    // An earlier term, or this one's own, has replaced no other.
    expect(attempts.runsOrRenounces('i', 'a', 1, 6)).toBe('runs');
    expect(attempts.runsOrRenounces('i', 'a', 1, 7)).toBe('runs');
    expect(term.superseded).toBe(false);
    expect(attempts.runsOrRenounces('i', 'a', 1, 8)).toBe('never_began');
    expect(term.superseded).toBe(true);
    expect(attempts.renounced(attempt)).toBe(true);
    expect(attempts.begin(attempt)).toBe(false);
    expect(attempt.begun).toBe(false);
    expect(attempts.runsOrRenounces('i', 'a', 1, 9)).toBe('never_began');
    attempts.end(attempt);
    expect(attempts.runsOrRenounces('i', 'a', 1, 9)).toBe('does_not_run');
  });

  it('a look alone promises nothing', () => {
    const { attempts, term } = process(7);
    expect(attempts.get('i', 'a', 1)).toBeUndefined();
    expect(term.superseded).toBe(false);
    expect(attempts.take('i', 'a', 1, 7)).toBeDefined();
  });

  it('leaves nothing behind, however many attempts that do not exist are asked about', () => {
    const { attempts } = process(7);
    const before = usedBytes();
    for (let nth = 0; nth < 300_000; nth += 1)
      attempts.runsOrRenounces(`i${nth}`, 'a', 1, Number.MAX_SAFE_INTEGER);
    // A list of them took 190 MB.
    expect(usedBytes() - before).toBeLessThan(8 * 1024 * 1024);
  });
});

describe('giving up', () => {
  it('cancels what has not begun, once, and nothing else', () => {
    const attempts = process(7).attempts;
    const calls: string[] = [];
    const running = attempts.take('i', 'a', 1, 7, () => calls.push('i'))!;
    const waiting = attempts.take('j', 'a', 1, 7, () => calls.push('j'))!;
    attempts.begin(running);
    attempts.giveUp();
    attempts.giveUp();
    expect(calls).toEqual(['j']);
    expect(attempts.begin(waiting)).toBe(false);
    expect(attempts.runsOrRenounces('i', 'a', 1, 8)).toBe('runs');
    expect(attempts.runsOrRenounces('j', 'a', 1, 8)).toBe('never_began');
  });

  it('promises nothing once its intent turned out not to be in the log: it may still be made', () => {
    const attempts = process(7).attempts;
    const waiting = attempts.take('i', 'a', 1, 7)!;
    attempts.giveUp();
    attempts.end(waiting);
    expect(attempts.take('i', 'a', 1, 7)).toBeDefined();
  });
});
