import type { Instance } from '../../advancer/log/log.ts';
import { nextStep } from '../../src/execution/plan.ts';
import { foldRows } from '../../src/execution/state.ts';
import type { Breach } from './checker.ts';
import type { Cluster } from './cluster.ts';
import { EPOCH_MS } from './world.ts';

/** The steps at which only a person leads on. */
const PERSONS: readonly string[] = ['complete', 'cancelled', 'halt', 'settle'];

/**
 * Unattended instances that could go on at the end of a run and do not: whatever was to bring them
 * back is lost. Everything that was broken is whole again, and has been for a while.
 *
 * @param isJudged which instances are looked at; default: all
 */
export function lostWork(
  { postgres, world }: Cluster,
  isJudged: (instance: Instance) => boolean = () => true,
): Breach[] {
  return [...postgres.instances.values()].flatMap((instance) => {
    const { instanceId, runbookId, inputs, recordedAt, unattended } = instance;
    const runbook = postgres.runbooks.get(runbookId);
    if (unattended !== true || runbook === undefined || !isJudged(instance)) return [];
    const view = { runbook, inputs, recordedAt, state: foldRows(postgres.rowsOf(instanceId)) };
    const step = nextStep(view);
    if (PERSONS.includes(step.do)) return [];
    const line = postgres.due.lines.get(instanceId);
    const due = line?.dueMs;
    const waits = due !== undefined && due > world.nowMs ? ` until ${EPOCH_MS + due}` : '';
    const what = `never lost: ${instanceId} could go on with ${step.do}${waits}, and nothing brings it back`;
    return [{ guarantee: 5, what }];
  });
}
