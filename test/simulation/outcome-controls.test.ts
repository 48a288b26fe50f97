import { describe, expect, test, vi } from 'vitest';

import type { CellOutcome, EffectRunner } from '../../advancer/cells/cells.ts';
import type { LateOutcome, Log } from '../../advancer/log/log.ts';
import type * as EvidenceRules from '../../advancer/run/evidence.ts';
import type * as OutcomeRules from '../../src/execution/outcome.ts';
import type * as PlanRules from '../../src/execution/plan.ts';
import type * as StateRules from '../../src/execution/state.ts';
import { over } from '../harness/controls.ts';
import { firstBreach, onlyFault, whatBroke } from './breach-search.ts';
import { runSeed, type RunOptions } from './run.ts';
import type { SimProcess } from './world.ts';

/*
 * Negative controls of what outcomes mean: in the code of the real replica one rule at a time is
 * switched off while the world runs. The checks, which use the same code, have every rule in force.
 */

type Rule =
  | 'what never began keeps its key'
  | 'what happened is not retried'
  | 'the run number is not the retry budget'
  | 'an unverified effect waits for a person'
  | 'a late unverified report settles nothing';

const rules = vi.hoisted(() => ({
  off: undefined as Rule | undefined,
  counting: false,
  /** How often each rule gave another answer than without it. */
  mattered: new Map<Rule, number>(),
  /** The rule's answer, or the one without it. */
  answer<T>(rule: Rule, inForce: T, without: T): T {
    if (this.counting && JSON.stringify(inForce) !== JSON.stringify(without))
      this.mattered.set(rule, (this.mattered.get(rule) ?? 0) + 1);
    return this.off === rule ? without : inForce;
  },
}));

vi.mock('../../src/execution/outcome.ts', async (original) => {
  const real = await original<typeof OutcomeRules>();
  const mocked: Partial<typeof real> = {
    isRefusal(row) {
      const { notBegun: _, ...body } = row.body;
      const without = real.isRefusal({ ...row, body });
      return rules.answer('what never began keeps its key', real.isRefusal(row), without);
    },
    failedAfterEffect: (row) =>
      rules.answer('what happened is not retried', real.failedAfterEffect(row), false),
  };
  return { ...real, ...mocked };
});

vi.mock('../../src/execution/state.ts', async (original) => {
  const real = await original<typeof StateRules>();
  const mocked: Partial<typeof real> = {
    nextIdempotencyKey(instanceId, cellId, cell) {
      const inForce = real.nextIdempotencyKey(instanceId, cellId, cell);
      const without = `${instanceId}/${cellId}/${1 + (cell?.failures ?? 0)}`;
      return rules.answer('the run number is not the retry budget', inForce, without);
    },
  };
  return { ...real, ...mocked };
});

vi.mock('../../src/execution/plan.ts', async (original) => {
  const real = await original<typeof PlanRules>();
  const mocked: Partial<typeof real> = {
    policyFor(cell, doubt, record) {
      const inForce = real.policyFor(cell, doubt, record);
      if (doubt.reason !== 'unverified') return inForce;
      const without = real.policyFor(cell, { ...doubt, reason: 'crash' }, record);
      return rules.answer('an unverified effect waits for a person', inForce, without);
    },
  };
  return { ...real, ...mocked };
});

vi.mock('../../advancer/run/evidence.ts', async (original) => {
  const real = await original<typeof EvidenceRules>();
  const mocked: Partial<typeof real> = {
    decisionBy(evidence) {
      const taken = evidence.map((late): LateOutcome => {
        return late.kind === 'unverified' ? { ...late, kind: 'completed' } : late;
      });
      const [inForce, without] = [real.decisionBy(evidence), real.decisionBy(taken)];
      return rules.answer('a late unverified report settles nothing', inForce, without);
    },
  };
  return { ...real, ...mocked };
});

/**
 * The options of a run in which a rule is off in the replicas, and in force in the log's guard and
 * in the checks.
 */
function switchedOff(rule: Rule | undefined, options: RunOptions = {}): RunOptions {
  return {
    ...options,
    prepare(cluster) {
      const replicas = { off: rule, counting: true };
      Object.assign(rules, replicas);
      const { postgres } = cluster;
      const append = postgres.append.bind(postgres);
      postgres.append = (entry) => {
        Object.assign(rules, { off: undefined, counting: false });
        try {
          return append(entry);
        } finally {
          Object.assign(rules, replicas);
        }
      };
      options.prepare?.(cluster);
    },
    beforeChecks() {
      rules.off = undefined;
      rules.counting = false;
    },
  };
}

/** Holders that freeze inside an effect until they are fenced, and then report how it ended. */
function reportedLate(seed: number): RunOptions {
  const call = { port: 'effects', call: 'run', point: 'applied', act: 'freeze' } as const;
  return {
    ...onlyFault(seed, (index) => ({ fault: 'trap', ...call, nth: 1 + (index % 4), forMs: 4_500 })),
    ending: (cell, planned) =>
      planned === 'succeeded' && cell.id !== 'tried' ? 'unverified' : planned,
  };
}

/** Replicas that now and then find out that they cannot begin an effect. */
function shortOfFiles(): RunOptions {
  let effects = 0;
  return {
    ending(_cell, planned) {
      effects += 1;
      return effects % 7 === 0 ? 'wrongReplica' : planned;
    },
  };
}

/** Effects whose outcomes are taken for others; `taken` counts them. */
function taking(change: (outcome: CellOutcome) => CellOutcome) {
  const counted = { taken: 0 };
  const effects = (_process: SimProcess, standard: EffectRunner): EffectRunner => ({
    ...standard,
    async run(cell, context, signals) {
      const outcome = await standard.run(cell, context, signals);
      const changed = change(outcome);
      if (changed !== outcome) counted.taken += 1;
      return changed;
    },
  });
  return { counted, effects };
}

/** How often a rule gave another answer than without it, in all runs so far. */
function timesMattered(rule: Rule): number {
  return rules.mattered.get(rule) ?? 0;
}

describe('negative controls: with a rule about outcomes switched off, the checks see it', () => {
  test('when what never began gets a new key', async () => {
    const rule = 'what never began keeps its key';
    const found = await firstBreach(rule, 40, () => switchedOff(rule));
    expect(whatBroke(found)).toMatch(/idempotency-key-of-its-run: .* has key .* instead of/);
    expect(timesMattered(rule)).toBeGreaterThan(0);
  });

  test('when an unknown outcome is recorded as failed and retried under a new key, the witness sees two effects', async () => {
    const error = { message: 'taken for refused' };
    const { counted, effects } = taking((outcome) =>
      outcome.kind === 'unknown'
        ? { kind: 'failed', class: 'refused', error, detail: {} }
        : outcome,
    );
    const found = await firstBreach('unknown is not failed', 40, () => ({ effects }));
    expect(whatBroke(found)).toMatch(
      /failed, but its effect happened|is refused, but it was unknown/,
    );
    const twice = await firstBreach(
      'unknown is not failed, as the world sees it',
      60,
      () => ({ effects }),
      /happened-under-one-key: .* happened under/,
    );
    expect(whatBroke(twice)).toContain('happened-under-one-key');
    expect(counted.taken).toBeGreaterThan(0);
  });

  test('when what happened is retried although its expect does not hold', async () => {
    const rule = 'what happened is not retried';
    const found = await firstBreach(rule, 40, () =>
      switchedOff(rule, { prepare: ({ postgres }) => void (postgres.rules.chain = false) }),
    );
    expect(whatBroke(found)).toMatch(/key-repeated-only-after-rerun/);
    expect(whatBroke(found)).toMatch(/retry-only-as-often-as-allowed/);
    expect(timesMattered(rule)).toBeGreaterThan(0);
  });

  test('when what happened is retried, and the guard refuses it: the replica crashes loudly', async () => {
    const rule = 'what happened is not retried';
    const found = await firstBreach(rule, 40, () => switchedOff(rule));
    expect(whatBroke(found)).toMatch(/crashed over/);
    expect(timesMattered(rule)).toBeGreaterThan(0);
  });

  test('when the run number is the retry budget: a key comes back after a refusal', async () => {
    const rule = 'the run number is not the retry budget';
    const found = await firstBreach(rule, 40, () => switchedOff(rule));
    expect(whatBroke(found)).toMatch(/idempotency-key-of-its-run/);
    expect(timesMattered(rule)).toBeGreaterThan(0);
    const repeated = await firstBreach(
      `${rule}, as the world sees it`,
      120,
      () => switchedOff(rule),
      /key-repeated-only-after-rerun/,
    );
    expect(whatBroke(repeated)).toContain('key-repeated-only-after-rerun');
  });

  test('when an unverified effect is settled by policy', async () => {
    const rule = 'an unverified effect waits for a person';
    const found = await firstBreach(rule, 40, () => switchedOff(rule));
    expect(whatBroke(found)).toMatch(/rerun-only-where-allowed: .* the policy for it is hold/);
    expect(timesMattered(rule)).toBeGreaterThan(0);
  });

  test('when an effect that this replica could not begin is recorded as failed', async () => {
    const { counted, effects } = taking((outcome) =>
      outcome.kind === 'wrong_replica'
        ? { kind: 'failed', class: 'notBegun', error: { message: outcome.why }, detail: {} }
        : outcome,
    );
    const found = await firstBreach('not_started is no failure', 20, () => ({
      ...shortOfFiles(),
      effects,
    }));
    expect(whatBroke(found)).toContain('is notBegun, but it was wrongReplica');
    expect(counted.taken).toBeGreaterThan(0);
  });

  test('when a late unverified report settles the doubt by itself', async () => {
    const rule = 'a late unverified report settles nothing';
    const found = await firstBreach(rule, 20, (seed) => switchedOff(rule, reportedLate(seed)));
    expect(whatBroke(found)).toMatch(/evidence-behind-decision: .* what was kept is unverified/);
    expect(timesMattered(rule)).toBeGreaterThan(0);
  });

  test('when an unverified outcome of a fenced holder is not kept', async () => {
    let dropped = 0;
    const log = (whole: Log): Log =>
      over(whole, {
        addLateOutcome(one) {
          if (one.kind !== 'unverified') return whole.addLateOutcome(one);
          dropped += 1;
          return Promise.resolve();
        },
      });
    const found = await firstBreach('unverified is kept', 20, (seed) => ({
      ...reportedLate(seed),
      log,
    }));
    expect(whatBroke(found)).toMatch(/outcome-was-kept: .* unverified was lost/);
    expect(dropped).toBeGreaterThan(0);
  });

  test('with every rule in force, the same runs breach nothing, although each rule matters in them', async () => {
    rules.mattered.clear();
    for (let seed = 1; seed <= 40; seed += 1) {
      const { breaches } = await runSeed(seed, switchedOff(undefined));
      expect(breaches, `seed ${seed}`).toEqual([]);
      if (seed > 10) continue;
      for (const options of [reportedLate(seed), shortOfFiles()]) {
        const result = await runSeed(seed, switchedOff(undefined, options));
        expect(result.breaches, `seed ${seed}, ${Object.keys(options).join()}`).toEqual([]);
      }
    }
    process.stderr.write(`how often each rule mattered: ${JSON.stringify([...rules.mattered])}\n`);
    const floors: Record<Rule, number> = {
      'what never began keeps its key': 20,
      'what happened is not retried': 20,
      'the run number is not the retry budget': 10,
      'an unverified effect waits for a person': 20,
      'a late unverified report settles nothing': 10,
    };
    for (const [rule, floor] of Object.entries(floors) as [Rule, number][])
      expect([rule, timesMattered(rule) > floor]).toEqual([rule, true]);
  });
});
