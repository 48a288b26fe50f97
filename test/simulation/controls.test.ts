import { describe, expect, test } from 'vitest';

import {
  withoutAskingEtcd,
  withoutIntent,
  withoutLookingForAttempts,
  withoutReceipts,
  withoutTokens,
  withoutTrustWindow,
} from '../harness/controls.ts';
import { firstBreach, guarantees, onlyFault, whatBroke } from './breach-search.ts';
import { runSeed, shrinkSeed, type RunOptions } from './run.ts';
import type { Planned } from './schedule.ts';
import type { LogRules } from './sim-guard.ts';

/*
 * The five negative controls, on the code of the real replica: with a rule switched off, the checks
 * catch it within a bounded number of seeds. Some need the faults that the rule is there for; with
 * the rule in force, the same schedules breach nothing.
 */

/** The log with some of its rules not in force. */
function lax(...rules: (keyof LogRules)[]): Pick<RunOptions, 'prepare'> {
  return {
    prepare({ postgres }) {
      for (const rule of rules) postgres.rules[rule] = false;
    },
  };
}

/**
 * The same with watches that are late: a holder that was replaced goes on serving for a while.
 */
function withLateWatches(...rules: (keyof LogRules)[]): Pick<RunOptions, 'prepare'> {
  return {
    prepare(cluster) {
      lax(...rules).prepare?.(cluster);
      cluster.etcd.watchDelayMs = 6_000;
    },
  };
}

/** Holders that live and lead, but are taken for unreachable. */
function unreachable(seed: number): { schedule: Planned[] } {
  return onlyFault(seed, (index) => ({
    fault: 'cut',
    victim: index,
    server: 'nats',
    forMs: 3_000,
  }));
}

/**
 * Holders that stand still past their lease, with an append committed that they do not know of
 * yet.
 */
function asleep(seed: number): { schedule: Planned[] } {
  const call = { port: 'postgres', call: 'append', point: 'applied', act: 'freeze' } as const;
  return onlyFault(seed, (index) => ({
    fault: 'trap',
    ...call,
    nth: 1 + (index % 4),
    forMs: 4_500,
  }));
}

describe('negative controls: with a rule switched off, the checks see it', () => {
  test('without the intent, an effect runs twice, and the failing schedule shrinks', async () => {
    const options = { log: withoutIntent };
    const failing = await firstBreach('no intent', 60, () => options);
    expect(guarantees(failing)).toContain(1);
    if (failing === undefined) return;
    const smallest = await shrinkSeed(failing, options);
    expect(smallest.length).toBeLessThan(failing.schedule.length / 2);
  });

  test('without the token check, neither in the log nor in the replica, tokens or receipts go back', async () => {
    const failing = await firstBreach('no token check', 60, (seed) => ({
      ...unreachable(seed),
      ...withLateWatches('tokens'),
      log: withoutTokens,
    }));
    expect(whatBroke(failing)).toMatch(/tokens-never-go-back|receipt-as-fenced-as-rows/);
  });

  test('without trust window and chain rule, an effect begins whose attempt is closed', async () => {
    const failing = await firstBreach('no trust window, no chain rule', 20, (seed) => ({
      ...asleep(seed),
      ...lax('chain', 'tokens'),
      leases: withoutTrustWindow,
    }));
    expect(whatBroke(failing)).toContain('which was not open');
  });

  test('without the trust window alone, too: what the log refuses comes after the effect', async () => {
    const failing = await firstBreach('no trust window', 20, (seed) => ({
      ...asleep(seed),
      leases: withoutTrustWindow,
    }));
    expect(whatBroke(failing)).toContain('which was not open');
  });

  test('without one receipt for a request, agents get two answers', async () => {
    const failing = await firstBreach('no single receipt', 60, () => ({
      ...lax('oneReceipt'),
      log: withoutReceipts,
    }));
    expect(guarantees(failing)).toContain(5);
  });

  test('when a take-over ignores an open attempt, it is closed while it runs', async () => {
    const failing = await firstBreach('no look for attempts', 20, (seed) => ({
      ...unreachable(seed),
      leases: withoutAskingEtcd,
      log: withoutLookingForAttempts,
    }));
    expect(whatBroke(failing)).toContain('closed while its process ran it');
  });

  test('with every rule in force, the same faults breach nothing', async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      for (const schedule of [unreachable(seed), asleep(seed)])
        expect((await runSeed(seed, schedule)).breaches, `seed ${seed}`).toEqual([]);
      const late = { ...unreachable(seed), ...withLateWatches() };
      expect((await runSeed(seed, late)).breaches, `seed ${seed}, late watches`).toEqual([]);
    }
  });
});
