import type { Unsettled } from '../../advancer/log/log.ts';
import type { InstanceStatus } from '../../src/execution/status.ts';

/** The lines of the projection, by instance. */
export type SimProjection = Map<
  string,
  { status: InstanceStatus; lastSeq: number; updatedAtMs: number }
>;

/** Instances that have been open or in doubt since `untilMs` or earlier, oldest first. */
export function unsettledIn(
  projection: SimProjection,
  untilMs: number,
  after: Unsettled | undefined,
): Unsettled[] {
  return [...projection]
    .filter(([, { status }]) => status === 'running' || status === 'in_doubt')
    .filter(([, { updatedAtMs }]) => updatedAtMs <= untilMs)
    .map(([instanceId, { updatedAtMs }]) => ({ instanceId, since: String(updatedAtMs) }))
    .sort((a, b) => Number(a.since) - Number(b.since) || (a.instanceId < b.instanceId ? -1 : 1))
    .filter(
      ({ instanceId, since }) =>
        after === undefined ||
        Number(since) > Number(after.since) ||
        (since === after.since && instanceId > after.instanceId),
    );
}
