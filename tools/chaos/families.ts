import type { Agent } from '../../src/agent/agent.ts';
import { newInstance } from './instances.ts';
import type { Instances, WorkloadInstance } from './instances.ts';
import { ignoreProtocolError } from './protocol-error.ts';
import type { ChaosRunbook } from './runbook-parts.ts';

/** A child that may exist, and what it runs. */
interface PossibleChild {
  instanceId: string;
  runbookId: string;
}

const TIMEOUT_MS = 3_000;
const AT_ONCE = 16;

/**
 * Finds the children of instances, so that agents work on them. Agents know the names that children
 * have, and ask whether there are such instances.
 */
export class Families {
  readonly #instances: Instances;
  readonly #runbookOf: (runbookId: string) => ChaosRunbook;

  constructor(instances: Instances, runbookOf: (runbookId: string) => ChaosRunbook) {
    this.#instances = instances;
    this.#runbookOf = runbookOf;
  }

  /** Finds the children of an instance, or of one of its cells. @returns how many are new */
  async meet(agent: Agent, parent: WorkloadInstance, cellId?: string): Promise<number> {
    const { all, live } = this.#instances;
    let met = 0;
    for (const { instanceId, runbookId } of childrenOf(parent, cellId)) {
      if (all.has(instanceId)) continue;
      const found = await agent
        .status(instanceId, { timeoutMs: TIMEOUT_MS })
        .catch(ignoreProtocolError);
      if (found === undefined || all.has(instanceId)) continue;
      const child = newInstance(instanceId, this.#runbookOf(runbookId), { ofParent: true });
      child.started = true;
      parent.children.push(child);
      this.#instances.add(child);
      if (live.includes(parent)) live.push(child);
      met += 1;
    }
    return met;
  }

  /** Finds the children of all instances, also of those that have ended. */
  async meetAll(agent: Agent): Promise<number> {
    const parents = [...this.#instances.all.values()].filter(
      ({ runbook }) => runCells(runbook).length > 0,
    );
    let met = 0;
    const meetSome = async (): Promise<void> => {
      for (let parent = parents.pop(); parent !== undefined; parent = parents.pop())
        met += await this.meet(agent, parent);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, meetSome));
    return met;
  }
}

/**
 * The children that an instance may have by now, by the names that follow from its own. Each time
 * a run cell halted it, those that were cancelled may have been replaced.
 */
function childrenOf(
  { instanceId, runbook, halts }: Pick<WorkloadInstance, 'instanceId' | 'runbook' | 'halts'>,
  cellId?: string,
): PossibleChild[] {
  return runCells(runbook).flatMap(({ id, run }) => {
    if (cellId !== undefined && cellId !== id) return [];
    const name = `${instanceId}-${id}`;
    const first = run.each?.map((_, n) => `${name}-${n}`) ?? [name];
    const attempts = Array.from({ length: (halts.get(id) ?? 0) + 1 }, (_, index) => index + 1);
    return attempts.flatMap((attempt) =>
      first.map((child) => ({
        instanceId: attempt === 1 ? child : `${child}-r${attempt}`,
        runbookId: run.runbook,
      })),
    );
  });
}

function runCells({ document }: ChaosRunbook) {
  return document.cells.flatMap(({ id, run }) => (run === undefined ? [] : [{ id, run }]));
}
