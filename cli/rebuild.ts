import { parkedOn } from '../advancer/run/parked-on.ts';
import { restOf } from '../advancer/run/rest.ts';
import { viewOf } from '../advancer/run/view-of.ts';
import { nextCell } from '../src/execution/plan.ts';
import { statusOf } from '../src/execution/status.ts';

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
    await log.schedules.restoreLines(true);
    return await rebuildProjection(log, async (snapshot) => {
      const { instance, runbook } = snapshot;
      const view = viewOf(snapshot);
      const waits = await parkedOn(log, instance.instanceId, view);
      const parked = waits === 'over' ? undefined : waits;
      const status = statusOf(view, parked !== undefined);
      const line = { status, nextCellId: nextCell(runbook, view.state)?.id ?? null };
      return instance.unattended === true ? { ...line, rest: restOf(view, status, parked) } : line;
    });
  } finally {
    await log.close();
  }
}
