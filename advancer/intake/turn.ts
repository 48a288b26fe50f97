import type { LeaseRecord, ReplicaRecord } from '../../coordinator/leases.ts';
import { rankOf } from '../../src/lease/rank.ts';

/*
 * Whose turn it is to act on an instance. Pure functions: state in, decision out, time as a
 * parameter.
 *
 * Nothing here decides safety: of two replicas that both act, the lease admits one, and of two
 * terms that both write, the log.
 */

/** How long each rank waits for the one before it. */
export const RANK_MS = 100;
/**
 * How long a holder that looks alive has before another replica asks whether it is: from the
 * arrival of the request, or from when the holder was last heard to have answered another. Longer
 * than a holder waits before it announces its answers.
 */
export const HOLDER_GRACE_MS = 80;
/** How long a request may go unanswered before it is forwarded to a holder that is alive. */
export const FORWARD_AFTER_MS = 500;
/** How often a request that another replica serves is looked at again. */
const CHECK_INTERVAL_MS = 500;
/** While it is young it is looked at more often: most holders that die give no notice. */
const YOUNG_CHECK_INTERVAL_MS = 200;
const YOUNG_MS = 1_000;
/**
 * How long a draining holder has for an instance before another replica asks whether it is alive.
 */
const DRAINING_GRACE_MS = 1_000;

/** The draining replicas, each with the instances that it still has attempts of. */
export type DrainingReplicas = ReadonlyMap<string, ReadonlySet<string>>;

/** Which replicas there are and which are draining, as one replica sees it. */
export interface Membership {
  /** The replica whose turn is asked about. */
  replicaId: string;
  /** The live replicas, as last seen. */
  replicas: readonly Pick<ReplicaRecord, 'replicaId'>[];
  draining: DrainingReplicas;
  /**
   * Who can run the next cell of the instance that is asked about; absent when nothing is known,
   * which is nearly always.
   */
  placement?:
    | {
        /** Replicas that cannot: they come last. */
        avoids: (replicaId: string) => boolean;
        /** One that can: it comes first, unless it cannot either. */
        first: string | undefined;
      }
    | undefined;
}

/** Everything that decides whose turn it is for one instance. Times are monotonic milliseconds. */
export interface TurnInput extends Membership {
  instanceId: string;
  /** The instance's lease, as last seen. */
  hint: LeaseRecord | undefined;
  /** Since when the turns count: the arrival of the request, or the last change of the lease. */
  turnsFromMs: number;
  nowMs: number;
}

/** What a replica that does not hold an instance may do for a request on it. */
export type Turn =
  /** Nothing yet; look again after `forMs`. */
  | { kind: 'wait'; forMs: number }
  /** Nobody else holds the instance: acquire it. */
  | { kind: 'acquire' }
  /** The holder is draining and has no attempt of the instance: replace its lease. */
  | { kind: 'replace'; lease: LeaseRecord }
  /**
   * Ask whether the holder is alive: take over if it is not. If it is, forward the request when
   * `forward` is set, and look again after `againMs`.
   */
  | { kind: 'ping'; holderId: string; forward: boolean; againMs: number };

/** What the replica may do now. */
export function turnOf(input: TurnInput): Turn {
  const { instanceId, replicaId, hint, draining, turnsFromMs, nowMs } = input;
  const waitedMs = nowMs - turnsFromMs;
  const lease = hint?.replicaId === replicaId ? undefined : hint;
  const rankMs = rankAmongAble(instanceId, input, lease?.replicaId) * RANK_MS;
  if (lease === undefined) return waitedMs < rankMs ? wait(rankMs - waitedMs) : { kind: 'acquire' };
  const holderId = lease.replicaId;
  const busy = draining.get(holderId);
  if (busy?.has(instanceId) === false)
    return waitedMs < rankMs ? wait(rankMs - waitedMs) : { kind: 'replace', lease };
  // It will release the instance itself, and etcd reports that. A ping while it leaves would only
  // time out.
  if (busy !== undefined && waitedMs < DRAINING_GRACE_MS) return wait(YOUNG_CHECK_INTERVAL_MS);
  const pingMs = rankMs + HOLDER_GRACE_MS;
  if (waitedMs < pingMs) return wait(pingMs - waitedMs);
  return {
    kind: 'ping',
    holderId,
    forward: waitedMs >= FORWARD_AFTER_MS,
    againMs: waitedMs < YOUNG_MS ? YOUNG_CHECK_INTERVAL_MS : CHECK_INTERVAL_MS,
  };
}

/**
 * How long a replica that cannot lead waits before it answers that no replica can: others get time
 * to lead first. 0 when it is due.
 *
 * @param notLeadingFromMs since when this replica has not been able to lead
 */
export function refusalWaitMs(
  rank: number,
  turnsFromMs: number,
  notLeadingFromMs: number,
  ttlMs: number,
  nowMs: number,
): number {
  const turnMs = turnsFromMs + 1_000 + rank * RANK_MS;
  const dueMs = Math.max(turnMs, notLeadingFromMs + ttlMs + 1_000);
  return nowMs < dueMs ? Math.min(dueMs - nowMs, CHECK_INTERVAL_MS) : 0;
}

/**
 * Where the replica ranks for an id among those that can act: live, not draining, and not
 * `withoutId`. From 0. A replica that was named as able to run the next cell comes before all
 * others, and those that cannot run it come after them.
 */
export function rankAmongAble(
  id: string,
  { replicaId, replicas, draining, placement }: Membership,
  withoutId?: string,
): number {
  const able = replicas
    .map((replica) => replica.replicaId)
    .filter((other) => other !== withoutId && !draining.has(other));
  if (placement === undefined) return rankOf(id, able, replicaId);
  const place = (other: string): number =>
    placement.avoids(other) ? 2 : other === placement.first ? 0 : 1;
  const mine = place(replicaId);
  const before = able.filter((other) => other !== replicaId && place(other) < mine).length;
  const alike = able.filter((other) => place(other) === mine);
  return before + rankOf(id, alike, replicaId);
}

function wait(forMs: number): Turn {
  return { kind: 'wait', forMs };
}
