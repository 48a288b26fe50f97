import type { Random } from '../../tools/chaos/random.ts';
import type { Agents } from './agents.ts';
import type { EffectPlan, Life } from './life.ts';
import { pause, type Wire } from './wire.ts';

/** A parent, and one child for each element of a list. */
export interface Family {
  parent: Life;
  children: readonly Life[];
}

/** What every child runs. */
export const CHILD_RUNBOOK = 'lives-child';
/** The cell of a parent that starts them. */
export const RUN_CELL = 'c1';

const PROBED: EffectPlan = { by: 'http', policy: 'probe', moves: ['ok'], delayMs: 5, attempts: 3 };
const CHILDREN_AT_ONCE = 24;

/** A family of `count` children, which may be cancelled on its way. */
export function family(instanceId: string, count: number, isCancelled: boolean): Family {
  const effect = (id: string, undo: boolean): Life['cells'][number] => ({
    id,
    type: 'effect',
    effect: PROBED,
    undo: undo ? PROBED : undefined,
    skipped: false,
  });
  const bare = { onHalt: 'hold', agents: 1 } as const;
  return {
    parent: {
      ...bare,
      instanceId,
      cells: [effect('c0', true), { id: RUN_CELL, type: 'run', count }, effect('c2', false)],
      cancels: isCancelled
        ? [{ after: { cellId: 'c0', arrival: 1 }, ms: 150, undo: true, children: true }]
        : [],
    },
    children: Array.from({ length: count }, (_, n) => ({
      ...bare,
      instanceId: `${instanceId}-${RUN_CELL}-${n}`,
      cells: [effect('c0', true)],
      cancels: [],
      byParent: isCancelled,
    })),
  };
}

/** Carries a family to its end: the parent first, then its children once they exist. */
export async function raise(
  agents: Agents,
  wire: Wire,
  { parent, children }: Family,
  random: Random,
  patienceMs: number,
): Promise<void> {
  const untilMs = performance.now() + patienceMs;
  const living = agents.live(parent);
  const waiting = children[Symbol.iterator]();
  const raiseSome = async (): Promise<void> => {
    for (const child of waiting) {
      while (performance.now() < untilMs && !(await exists(wire, child))) await pause(100);
      await agents.drive(child, random.fork(), untilMs);
    }
  };
  // The children of one that is cancelled end by it, without being asked.
  if (parent.cancels.length === 0)
    await Promise.all(Array.from({ length: CHILDREN_AT_ONCE }, raiseSome));
  await living;
}

async function exists(wire: Wire, { instanceId }: Life): Promise<boolean> {
  return (await wire.status(instanceId)) !== undefined;
}
