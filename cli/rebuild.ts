import { foldRows } from '../src/execution/state.ts';
import { childrenWaitedFor } from '../advancer/run/children.ts';
import { nextCell, nextStep } from '../src/execution/plan.ts';
import { statusOf } from '../src/execution/status.ts';
import { judge } from '../advancer/run/waits.ts';

/**
 * Rebuilds the list of instances from the log. Replicas may keep running meanwhile.
 *
 * @returns how many instances were read
 */
export async function rebuild(url: string, namespace: string): Promise<number> {
  const [{ openLog }, { rebuildProjection }] = await Promise.all([
    import('../advancer/log/postgres-log.ts'),
    import('../advancer/log/rebuild.ts'),
  ]);
  const log = openLog({
    url,
    replicaId: 'migrate',
    namespace,
    appendTimeoutMs: 10_000,
    ownSettings: true,
  });
  try {
    return await rebuildProjection(log, async ({ instance, runbook, rows }) => {
      const { inputs, recordedAt } = instance;
      const view = { runbook, inputs, recordedAt, state: foldRows(rows) };
      const step = nextStep(view);
      const parked =
        (step.do === 'run' &&
          (await childrenWaitedFor(log.children, instance.instanceId, step)) !== undefined) ||
        ((step.do === 'await' || step.do === 'wait') && (await judge(log, step)).do === 'park');
      return {
        status: statusOf(view, parked),
        nextCellId: nextCell(runbook, view.state)?.id ?? null,
      };
    });
  } finally {
    await log.close();
  }
}
