import { foldRows } from '../src/execution/state.ts';
import { judgeAwait, nextCell, nextStep } from '../src/execution/plan.ts';
import { statusOf } from '../src/execution/status.ts';

/**
 * Derives the list of instances anew from the log. Replicas may go on working meanwhile.
 *
 * @returns how many instances were read
 */
export async function rebuild(url: string, namespace: string): Promise<number> {
  const [{ openLog }, { rebuildProjection }] = await Promise.all([
    import('../advancer/log/postgres-log.ts'),
    import('../advancer/log/rebuild.ts'),
  ]);
  const log = openLog({ url, replicaId: 'migrate', namespace, appendTimeoutMs: 10_000 });
  try {
    return await rebuildProjection(log, async ({ instance, runbook, rows }) => {
      const course = { runbook, inputs: instance.inputs, state: foldRows(rows) };
      const step = nextStep(course);
      const parked =
        step.do === 'await' && judgeAwait(step, await log.claimStatus(step.claimId)).do === 'park';
      return {
        status: statusOf(course, parked),
        nextCellId: nextCell(runbook, course.state)?.id ?? null,
      };
    });
  } finally {
    await log.close();
  }
}
