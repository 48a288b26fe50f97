import type { Projection, Snapshot } from './log.ts';

/** What a rebuild needs of the log. */
export interface RebuildSource {
  instanceIdsAfter(after: string, limit: number): Promise<string[]>;
  snapshot(instanceId: string): Promise<Snapshot | undefined>;
  putProjection(instanceId: string, lastSeq: number, projection: Projection): Promise<void>;
}

const PAGE = 500;

/**
 * Derives every instance's projection from its log again, one instance at a time in the order of
 * their ids. Replicas may keep working meanwhile.
 *
 * @param derive computes an instance's projection
 * @returns how many instances were read
 */
export async function rebuildProjection(
  log: RebuildSource,
  derive: (snapshot: Snapshot) => Projection | Promise<Projection>,
): Promise<number> {
  let count = 0;
  for (let after = ''; ;) {
    const ids = await log.instanceIdsAfter(after, PAGE);
    for (const id of ids) {
      const snapshot = await log.snapshot(id);
      if (snapshot === undefined) continue;
      await log.putProjection(id, snapshot.rows.at(-1)?.seq ?? 0, await derive(snapshot));
      count += 1;
    }
    const last = ids.at(-1);
    if (last === undefined) return count;
    after = last;
  }
}
