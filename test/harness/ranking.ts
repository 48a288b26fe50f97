import { rankOf } from '../../src/lease/rank.ts';

/** The replicas in the order of their ranks for an instance. */
export function ranking(instanceId: string, replicaIds: readonly string[]): string[] {
  const order: string[] = [];
  for (const replicaId of replicaIds) order[rankOf(instanceId, replicaIds, replicaId)] = replicaId;
  return order;
}
