import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { breakGuard } from '../../harness/broken-guard.ts';
import type { Control } from '../../harness/broken-replica.ts';
import {
  livesOf,
  type CancelPlan,
  type EffectPlan,
  type Life,
  type LifeCell,
} from '../../random-lives/life.ts';
import type { Rule } from '../../random-lives/rules.ts';
import { offenderText, problemsOf, summaryOf } from '../../random-lives/result.ts';
import { runRandomLives, type LivesOptions } from '../../random-lives/run.ts';

/*
 * Random lives on real replicas that are killed and frozen, checked by what a receiver witnessed
 * and what agents were told. `npm run random-lives` runs as many as are wanted.
 */

const SEED = Number(process.env['LEASEHOLD_TEST_LIVES_SEED'] ?? 1);
const REPLICA = fileURLToPath(new URL('../../harness/broken-replica.ts', import.meta.url));

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

it('instances end completed or cancelled, undone once, decided once, and without a secret', async () => {
  const result = await runRandomLives({
    seed: SEED,
    lives: livesOf(SEED, 45),
    children: 12,
    cancelledFamilies: 1,
  });
  say(`seed ${SEED}: ${summaryOf(result)}`);
  result.offenders.slice(0, 3).forEach((offender) => say(offenderText(offender)));
  expect(problemsOf(result)).toEqual([]);
  // A run that saw none of these proves nothing.
  const seen = [...result.seen.keys()];
  const wanted = ['ended completed', 'ended cancelled', 'undone', 'paused', 'decided'];
  expect(wanted.filter((what) => !seen.some((key) => key.startsWith(what)))).toEqual([]);
  const places = ['table leasehold.executions', 'the bus', 'a log line', 'page /metrics'];
  expect(places.filter((where) => (result.searched.get(where) ?? 0) === 0)).toEqual([]);
});

const DONE: EffectPlan = { by: 'http', policy: 'hold', moves: ['ok'], delayMs: 5, attempts: 1 };

function effect(id: string, undo?: EffectPlan): LifeCell {
  return { id, type: 'effect', effect: DONE, undo, skipped: false };
}

describe('with rules switched off in a real replica, the checker catches each by name', () => {
  /** Carries the instances without faults; how often each rule is breached. */
  async function caught(
    control: Control,
    lives: readonly Life[],
    more: Partial<LivesOptions> = {},
  ): Promise<Partial<Record<Rule, number>>> {
    const { breaches } = await runRandomLives({
      seed: SEED,
      lives,
      children: 0,
      faults: false,
      // With such a rule missing, instances may never end.
      patienceMs: 20_000,
      settleMs: 1_000,
      replicaArgv: ['--import', 'tsx', REPLICA, control],
      ...more,
    });
    const counts: Partial<Record<Rule, number>> = {};
    for (const { rule } of breaches) counts[rule] = (counts[rule] ?? 0) + 1;
    say(`without ${control}: ${JSON.stringify(counts)}`);
    return counts;
  }

  /** Some instances of the same cells. */
  function some(name: string, cells: LifeCell[], cancels: CancelPlan[] = []): Life[] {
    return [0, 1, 2, 3].map((nth) => {
      return { instanceId: `${name}${nth}`, onHalt: 'hold', cells, cancels, agents: 1 };
    });
  }

  it('a replica goes on after `cancelled`, and undoes the oldest cell first', async () => {
    const cells: LifeCell[] = [effect('c0'), { id: 'c1', type: 'pause', ms: 300 }, effect('c2')];
    const cancels = [{ after: { cellId: 'c0', arrival: 1 }, ms: 0, undo: false }];
    const undone: LifeCell[] = [
      effect('c0', DONE),
      effect('c1', DONE),
      effect('c2', DONE),
      { id: 'c3', type: 'pause', ms: 2_000 },
    ];
    const undoes = [{ after: { cellId: 'c2', arrival: 1 }, ms: 300, undo: true }];
    const lives = [...some('l', cells, cancels), ...some('r', undone, undoes)];
    const counts = await caught('cancelled_reverse', lives, {
      afterMigrate: (superuserUrl) => breakGuard(superuserUrl, 'chain'),
    });
    expect(counts['nothing-after-cancelled']).toBeGreaterThan(0);
    expect(counts['undo-in-reverse']).toBeGreaterThan(0);
    expect(counts['undo-seen-in-reverse']).toBeGreaterThan(0);
  });

  it('an undo that is not made, pauses and deadlines that are due at once, secrets in the log', async () => {
    const undone: LifeCell[] = [
      effect('c0', DONE),
      effect('c1', DONE),
      { id: 'c2', type: 'claim' },
    ];
    const waiting: LifeCell[] = [
      { id: 'c0', type: 'deadline', ms: 30_000, otherwise: 'skip', claim: 'never' },
      effect('c1'),
      { id: 'c2', type: 'pause', ms: 30_000 },
    ];
    const cancels = [{ after: { cellId: 'c1', arrival: 1 }, ms: 0, undo: true }];
    const lives = [...some('u', undone, cancels), ...some('w', waiting)];
    const counts = await caught('undo_waits_redaction', lives);
    expect(counts['undone-once']).toBeGreaterThan(0);
    expect(counts['wait-not-early']).toBeGreaterThan(0);
    expect(counts['deadline-or-claim']).toBeGreaterThan(0);
    expect(counts['secret-nowhere']).toBeGreaterThan(0);
  });
});
