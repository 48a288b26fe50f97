import { hash } from 'node:crypto';

/**
 * A replica's rank for an instance, from 0, by rendezvous (highest random weight) hashing. Every
 * replica computes the same ranks from the same list without communicating, and when a replica
 * leaves, only its own instances move. A replica that is not listed ranks behind all that are.
 * Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998.
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
