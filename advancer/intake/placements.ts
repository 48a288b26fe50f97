/** Beyond this many instances, the oldest is forgotten: then ranks alone decide again. */
const MAX_INSTANCES = 10_000;
/** Beyond this many replicas that cannot run an instance's next cell, the oldest is forgotten. */
const MAX_AVOIDING = 128;
/** A note counts for no longer than this, whatever it says: anyone may have sent it. */
const MAX_FOR_MS = 60_000;

/** A replica's note on an instance whose next cell it cannot run. */
export interface Placed {
  instanceId: string;
  /** The replica that cannot run it. */
  by: string;
  /** A replica that can, which is first in turn. */
  to?: string | undefined;
  /** How long the note counts, in milliseconds. */
  forMs: number;
  why: string;
}

interface Avoidance {
  untilMs: number;
  why: string;
}

/** What is known about who can run an instance's next cell. Times are monotonic milliseconds. */
interface Placement {
  /** Replicas that cannot, and until when they are left out. */
  readonly avoiding: Map<string, Avoidance>;
  first: { replicaId: string; untilMs: number } | undefined;
}

/**
 * Which replicas cannot run an instance's next cell, and which one can: what this replica found out
 * itself, and what others announced. Hints, like everything about whose turn it is: they reorder
 * the replicas, and leave none out.
 */
export class Placements {
  readonly #placements = new Map<string, Placement>();

  /** Takes in a note, this replica's own or another's. */
  add({ instanceId, by, to, forMs, why }: Placed, nowMs: number): void {
    const untilMs = nowMs + Math.min(forMs, MAX_FOR_MS);
    const placement = this.#placements.get(instanceId) ?? { avoiding: new Map(), first: undefined };
    // The newest goes to the end, so that the oldest is found at once.
    this.#placements.delete(instanceId);
    this.#placements.set(instanceId, placement);
    for (const [replicaId, avoidance] of placement.avoiding)
      if (avoidance.untilMs <= nowMs) placement.avoiding.delete(replicaId);
    placement.avoiding.delete(by);
    placement.avoiding.set(by, { untilMs, why });
    for (const oldest of placement.avoiding.keys()) {
      if (placement.avoiding.size <= MAX_AVOIDING) break;
      placement.avoiding.delete(oldest);
    }
    placement.first = to === undefined ? undefined : { replicaId: to, untilMs };
    for (const oldest of this.#placements.keys()) {
      if (this.#placements.size <= MAX_INSTANCES) break;
      this.#placements.delete(oldest);
    }
  }

  /** Why the replica cannot run the instance's next cell, as far as is known. */
  avoids(instanceId: string, replicaId: string, nowMs: number): string | undefined {
    const avoidance = this.#placements.get(instanceId)?.avoiding.get(replicaId);
    return avoidance !== undefined && avoidance.untilMs > nowMs ? avoidance.why : undefined;
  }

  /** The replica that was named as able to run the instance's next cell. */
  first(instanceId: string, nowMs: number): string | undefined {
    const first = this.#placements.get(instanceId)?.first;
    return first !== undefined && first.untilMs > nowMs ? first.replicaId : undefined;
  }

  /** Whether anything is known about the instance; nearly always not. */
  has(instanceId: string): boolean {
    return this.#placements.has(instanceId);
  }
}
