import { describe, expect, test, vi } from 'vitest';

import type { Log } from '../../advancer/log/log.ts';
import type * as Decide from '../../advancer/run/decide.ts';
import type { InstanceLog } from '../../advancer/run/instance-log.ts';
import { proposeDecision } from '../../advancer/run/settle.ts';
import type { NewRow } from '../../src/execution/row.ts';
import { nextStep } from '../../src/execution/plan.ts';
import type * as PlanRules from '../../src/execution/plan.ts';
import type { DecideMessage } from '../../src/request/messages.ts';
import { isUndoCellId } from '../../src/runbook/undo.ts';
import { over } from '../harness/controls.ts';
import { firstBreach, whatBroke } from './breach-search.ts';
import { runSeed, type RunOptions } from './run.ts';
import type { SimChildren } from './sim-children.ts';
import type { SimProcess } from './world.ts';

/*
 * Negative controls of the life of an instance: in the real replicas one rule at a time is switched
 * off while the world runs. The checks, which use the same code, have every rule in force.
 */

type Rule =
  | 'the plan ends at a cancellation'
  | 'what was done last is undone first'
  | '`unwinding` comes before the first undo'
  | 'a decision looks whether the cell is halted';

const rules = vi.hoisted(() => ({
  off: undefined as Rule | undefined,
  /** The attempts of halted cells that a person has decided. */
  repaired: new Set<string>(),
}));

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
      if (rules.off === '`unwinding` comes before the first undo') {
        const isHalt = step.do === 'halt' && isUndoCellId(state.last?.cellId ?? '');
        if (step.do !== 'unwind' && !(isHalt && runbook.onHalt === 'undo')) return step;
        const unwinding = { by: '@policy', reason: '', seq: 0, children: false, since: '' };
        const undo = real.nextStep({ ...view, state: { ...state, unwinding } });
        return undo.do === 'cancel' ? step : undo;
      }
      const isUndo = step.do === 'start' && state.unwinding !== undefined && step.attempt === 1;
      if (rules.off !== 'what was done last is undone first' || !isUndo) return step;
      const cell = real
        .undoCells(runbook, state)
        .findLast(({ id }) => state.cells.get(id)?.result === undefined);
      const attempt = (state.cells.get(cell?.id ?? '')?.attempts ?? 0) + 1;
      return cell === undefined ? step : { ...step, cell, attempt };
    },
  };
  return { ...real, ...mocked };
});

vi.mock('../../advancer/run/decide.ts', async (original) => {
  const real = await original<typeof Decide>();
  /** Records the second of two decisions as it does the first. */
  class DecideJob extends real.DecideJob {
    readonly #message: DecideMessage;

    constructor(...[context, instanceId, message]: ConstructorParameters<typeof real.DecideJob>) {
      super(context, instanceId, message);
      this.#message = message;
    }

    override async work(log: InstanceLog): Promise<Decide.Decided> {
      const { agentId: by, cellId, attempt, as, reason } = this.#message;
      const { instanceId } = log.holding;
      const key = `${instanceId}/${cellId}/${attempt}`;
      const wasHalted = nextStep(log.view).do === 'halt';
      const decided = await super.work(log);
      if (wasHalted && decided.kind === 'decided') rules.repaired.add(key);
      const isSecond =
        !wasHalted && rules.repaired.has(key) && log.view.state.last?.kind === 'decided';
      if (rules.off !== 'a decision looks whether the cell is halted' || !isSecond) return decided;
      const about = { cellId, attempt, happened: false };
      proposeDecision(log, about, { as, by, reason }, this.requester);
      return { kind: 'decided', instanceId, seq: log.view.state.lastSeq, as };
    }
  }
  return { ...real, DecideJob };
});

/** The options of a run in which a rule is off in the replicas, and in force in the checks. */
function switchedOff(rule: Rule, options: RunOptions = {}): RunOptions {
  return {
    ...options,
    prepare(cluster) {
      rules.off = rule;
      rules.repaired.clear();
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

const NO_RULES: SimChildren['rules'] = { fenced: false, once: false };

/** The first replica that is about to start children stands still, until others have done so. */
function frozenBeforeChildren(): RunOptions {
  let frozen = false;
  return {
    failpoint: (process) => async (point) => {
      if (point !== 'before_children' || frozen) return;
      frozen = true;
      process.freeze();
      process.world.at(9_000, () => process.wake());
      await process.clock().sleep(0);
    },
  };
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

  test('when an undo comes before the row that says so, and the log takes it', async () => {
    const rule = '`unwinding` comes before the first undo';
    const found = await firstBreach(rule, 40, () =>
      switchedOff(rule, { prepare: ({ postgres }) => void (postgres.rules.chain = false) }),
    );
    expect(whatBroke(found)).toMatch(/undone-only-while-unwinding: .* came without unwinding/);
  });

  test('when two racing decisions on a halted cell count, and the log takes both', async () => {
    const rule = 'a decision looks whether the cell is halted';
    const found = await firstBreach(
      rule,
      80,
      () => switchedOff(rule, { prepare: ({ postgres }) => void (postgres.rules.chain = false) }),
      /decision-names-its-attempt/,
    );
    expect(whatBroke(found)).toMatch(/decision-names-its-attempt: .* answers no doubt or failure/);
  });

  test('when an instance is started twice for an element, by a holder that was frozen', async () => {
    const found = await firstBreach('children are started once', 40, () => ({
      ...frozenBeforeChildren(),
      prepare: ({ postgres }) => void Object.assign(postgres.children.rules, NO_RULES),
    }));
    expect(whatBroke(found)).toMatch(/children-started-once: .* two instances for one element/);
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
          await process.clock().sleep(400);
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
      for (const options of [{}, frozenBeforeChildren()])
        expect((await runSeed(seed, options)).breaches, `seed ${seed}`).toEqual([]);
  });
});
