import { hash } from 'node:crypto';

/**
 * Orders replicas for one instance by rendezvous (highest random weight) hashing, best first: every
 * replica computes the same order from the same list without a word between them, and when one
 * leaves only its own instances move. Source: Thaler and Ravishankar, "Using name-based mappings to
 * increase hit rates", 1998.
 */
export function rankReplicas(instanceId: string, replicaIds: Iterable<string>): string[] {
  return [...replicaIds]
    .map((replicaId) => ({ replicaId, weight: weight(instanceId, replicaId) }))
    .sort((a, b) =>
      a.weight === b.weight ? (a.replicaId < b.replicaId ? -1 : 1) : b.weight - a.weight,
    )
    .map(({ replicaId }) => replicaId);
}

/**
 * Where a replica stands for an instance, from 0; one that is not listed stands behind all that
 * are.
 */
export function rankOf(
  instanceId: string,
  replicaIds: Iterable<string>,
  replicaId: string,
): number {
  const mine = weight(instanceId, replicaId);
  let [before, others, listed] = [0, 0, false];
  for (const other of replicaIds) {
    if (other === replicaId) {
      listed = true;
      continue;
    }
    others += 1;
    const theirs = weight(instanceId, other);
    if (theirs > mine || (theirs === mine && other < replicaId)) before += 1;
  }
  return listed ? before : others;
}

function weight(instanceId: string, replicaId: string): number {
  return Number.parseInt(hash('sha1', `${replicaId}/${instanceId}`).slice(0, 12), 16);
}
