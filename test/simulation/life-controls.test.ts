import { describe, expect, test, vi } from 'vitest';

import type { Log } from '../../advancer/log/log.ts';
import type { NewRow } from '../../src/execution/row.ts';
import type * as PlanRules from '../../src/execution/plan.ts';
import { over } from '../harness/controls.ts';
import { firstBreach, whatBroke } from './breach-search.ts';
import { runSeed, type RunOptions } from './run.ts';
import type { SimProcess } from './world.ts';

/*
 * Negative controls of the life of an instance: in the real replicas one rule at a time is switched
 * off while the world runs. The checks, which use the same code, have every rule in force.
 */

type Rule = 'the plan ends at a cancellation' | 'what was done last is undone first';

const rules = vi.hoisted(() => ({ off: undefined as Rule | undefined }));

vi.mock('../../src/execution/plan.ts', async (original) => {
  const real = await original<typeof PlanRules>();
  const mocked: Partial<typeof real> = {
    nextStep(view) {
      const { runbook, state } = view;
      const step = real.nextStep(view);
      if (rules.off === 'the plan ends at a cancellation') {
        const next = real.nextStep({ ...view, state: { ...state, cancelled: undefined } });
        // It would end what is unwound again and again.
        return next.do === 'cancel' ? step : next;
      }
      const isUndo = step.do === 'start' && state.unwinding !== undefined && step.attempt === 1;
      if (rules.off === undefined || !isUndo) return step;
      const cell = real
        .undoCells(runbook, state)
        .findLast(({ id }) => state.cells.get(id)?.result === undefined);
      const attempt = (state.cells.get(cell?.id ?? '')?.attempts ?? 0) + 1;
      return cell === undefined ? step : { ...step, cell, attempt };
    },
  };
  return { ...real, ...mocked };
});

/** The options of a run in which a rule is off in the replicas, and in force in the checks. */
function switchedOff(rule: Rule, options: RunOptions = {}): RunOptions {
  return {
    ...options,
    prepare(cluster) {
      rules.off = rule;
      options.prepare?.(cluster);
    },
    beforeChecks() {
      rules.off = undefined;
    },
  };
}

/** A log whose rows are changed on their way. */
function changing(change: (row: NewRow) => NewRow): (log: Log) => Log {
  return (log) =>
    over(log, { append: (entry) => log.append({ ...entry, rows: entry.rows.map(change) }) });
}

describe('negative controls: with a rule on the life of an instance switched off, the checks see it', () => {
  test('when the plan goes on after a cancellation, and the log takes it', async () => {
    const rule = 'the plan ends at a cancellation';
    const found = await firstBreach(rule, 40, () =>
      switchedOff(rule, { prepare: ({ postgres }) => void (postgres.rules.chain = false) }),
    );
    expect(whatBroke(found)).toContain('cancelled-is-final');
  });

  test('when what was done first is undone first', async () => {
    const rule = 'what was done last is undone first';
    const found = await firstBreach(rule, 40, () => switchedOff(rule));
    expect(whatBroke(found)).toContain('undone-in-reverse-order');
  });

  test('when a replica judges waits by a clock that is ahead', async () => {
    const log = (whole: Log): Log =>
      over(whole, {
        readWait: async (claimId, due) => ({
          ...(await whole.readWait(claimId, due)),
          isDue: true,
        }),
      });
    const found = await firstBreach('the clock of the database', 20, () => ({ log }));
    expect(whatBroke(found)).toContain('wait-ended-when-due');
  });

  test('when the claim is read before the clock, in another statement', async () => {
    const log = (whole: Log, process: SimProcess): Log =>
      over(whole, {
        readWait: async (claimId, due) => {
          const claim = claimId === undefined ? undefined : await whole.claimStatus(claimId);
          // As if the second statement had waited for a connection.
          await process.clock().sleep(80);
          return { claim, isDue: (await whole.readWait(undefined, due)).isDue };
        },
      });
    const found = await firstBreach('one statement', 60, () => ({ log }), /by its deadline/);
    expect(whatBroke(found)).toMatch(/was ended by its deadline, but .* was made before/);
  });

  test('when a deadline that has passed wins over its claim', async () => {
    const log = (whole: Log): Log =>
      over(whole, {
        readWait: async (claimId, due) => {
          const { claim, isDue } = await whole.readWait(claimId, due);
          return { claim: isDue ? undefined : claim, isDue };
        },
      });
    const found = await firstBreach('the claim wins', 60, () => ({ log }), /by its deadline/);
    expect(whatBroke(found)).toMatch(/was ended by its deadline, but .* was made before/);
  });

  test('when a cancellation does not name the doubt that it leaves', async () => {
    const log = changing((row) =>
      row.kind === 'cancelled' ? { ...row, body: { ...row.body, left: [] } } : row,
    );
    const found = await firstBreach('what is left', 80, () => ({ log }), /left-names-open-doubts/);
    expect(whatBroke(found)).toContain('left-names-open-doubts');
  });

  test('with every rule in force, the same runs breach nothing', async () => {
    for (let seed = 1; seed <= 10; seed += 1)
      expect((await runSeed(seed)).breaches, `seed ${seed}`).toEqual([]);
  });
});
