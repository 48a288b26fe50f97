import { describe, expect, test } from 'vitest';

import { newSecret } from '../../coordinator/secrets.ts';
import { over } from '../harness/controls.ts';
import { ADVERSARY_MOVES } from './adversary.ts';
import { firstBreach, guarantees, whatBroke } from './breach-search.ts';
import { runSeed, type RunOptions } from './run.ts';

/*
 * Every run of the simulation has an adversary on its bus. Here the check of what replicas tell
 * each other is switched off: the adversary knows the secret that they use.
 */

/** Replicas that share a secret with the adversary, which then can say anything in their name. */
function withoutAuthentication(): RunOptions {
  const secret = newSecret();
  return {
    adversary: { secret, untilMs: 12_000 },
    // A replica that believes that all others are leaving takes over from them for ever.
    endWithinMs: 5_000,
    leases: (leases) => over(leases, { secrets: () => [secret] }),
  };
}

describe('an adversary that says anything on the bus', () => {
  test('breaks guarantee 3 if replicas believe it: an effect is taken for not begun while it runs', async () => {
    const found = await firstBreach('messages are authenticated', 40, withoutAuthentication);
    expect(guarantees(found)).toContain(3);
    expect(whatBroke(found)).toContain('closed while its process ran it');
  });

  test('breaks nothing otherwise, in the same runs, in which it makes every move', async () => {
    const moves = new Map<string, number>();
    for (let seed = 1; seed <= 20; seed += 1) {
      const { breaches, coverage } = await runSeed(seed);
      expect(breaches, `seed ${seed}`).toEqual([]);
      for (const [state, times] of coverage.table)
        moves.set(state, (moves.get(state) ?? 0) + times);
    }
    for (const move of ADVERSARY_MOVES)
      expect([move, (moves.get(`adversary ${move}`) ?? 0) > 20]).toEqual([move, true]);
  });
});
