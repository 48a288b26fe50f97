/** The claim that a parked instance waits for. */
export interface AwaitedClaim {
  claimId: string;
  /** The statuses that it wants. */
  statuses: readonly string[];
  /** The revision that was found not to have one of them; 0 if it was never made. */
  revision: number;
}

/**
 * What brings an unattended instance back without being asked. With neither a time nor a claim, it
 * waits for its children, for a person, or for the attempt that runs.
 */
export interface Rest {
  /** When to look at it next, by the database's clock: a moment, or so long from now on. */
  at?: { iso: string } | { afterMs: number } | undefined;
  claim?: AwaitedClaim | undefined;
}

/** The line of an unattended instance, as of a seq of its log. */
export interface RestLine {
  instanceId: string;
  lastSeq: number;
  /** `ended` if nothing brings it back any more. */
  rest: Rest | 'ended';
}

/** An unattended instance whose time has come. */
export interface DueInstance {
  instanceId: string;
  /** When that was, in Postgres' text format. */
  since: string;
  /** How long ago that was, by the database's clock. */
  overdueMs: number;
}

/** Something that has happened and that somebody waits for. */
export interface Wake {
  wakeId: string;
  /**
   * `claim`: one was made. `child_ended`: a child of the instance has. `cancel_children`: the
   * instance was cancelled together with its children.
   */
  kind: 'claim' | 'child_ended' | 'cancel_children';
  /** Of the claim, or of the instance. */
  id: string;
  /** Of a claim, as it was recorded. */
  revision?: number | undefined;
  status?: string | undefined;
  /** How long ago it was noted, by the database's clock. */
  sinceMs: number;
}

/** Everything that is due, as one poll finds it. */
export interface DueFound {
  /** The first page, longest due first. */
  due: DueInstance[];
  /** The first page of each kind, oldest first. */
  wakes: Wake[];
  /** How long until the next instance is due; undefined if none is because of time. */
  nextMs: number | undefined;
}

/** An unattended instance that waits for a claim. */
export interface Waiter {
  instanceId: string;
  statuses: string[];
  /** The revision that it has seen; 0 if there was none. */
  revision: number;
}

/**
 * The part of the log that is about work which nobody asks for. Nothing that decides safety reads
 * it. Everything throws `LogUnavailable` when Postgres cannot be asked.
 */
export interface DueLines {
  /** What is due now. Reads as much as is due, however many instances wait. */
  find(limit: number): Promise<DueFound>;
  /** More of what is due now, after the last one of a page. */
  dueAfter(after: DueInstance, limit: number): Promise<DueInstance[]>;
  /** Instances that wait for a claim with this status, in the order of their ids. */
  woken(wake: Wake, limit: number, after?: string): Promise<string[]>;
  /** Writes lines of instances at rest. A line never goes back to an older row. */
  put(lines: readonly RestLine[]): Promise<void>;
  /** Forgets wakes whose instances were looked at after the wake was seen. */
  forget(wakeIds: readonly string[]): Promise<void>;
  /** Forgets the claims among the wakes for which nobody waits any more. */
  forgetServed(wakeIds: readonly string[]): Promise<void>;
  /**
   * Compares a page of lines with the log and the claims, and makes due what should be: the last
   * resort against everything else that may have gone wrong.
   *
   * @param after the last instance of the page before; '' for the first page
   * @returns the last instance of this page; undefined when there are no more
   */
  recheck(after: string, limit: number): Promise<{ last: string | undefined; found: number }>;
}
