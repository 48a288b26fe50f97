/** A key as etcd has it. Revisions order everything that ever happened to etcd's keys. */
export interface Entry {
  key: string;
  value: string;
  createRevision: number;
  /**
   * The revision of the transaction that put the present value: the fencing token of a lease key.
   */
  modRevision: number;
  /** The etcd lease that the key hangs on; undefined when it hangs on none. */
  leaseId: string | undefined;
}

/** A key that somebody wants to put, and what must be true for it. */
export interface Want {
  key: string;
  value: string;
  /** The mod revision that the key must have; left out, the key must not exist. */
  replaces?: number | undefined;
}

/** What a transaction said to one want. */
export type WantVerdict =
  /** The key was put; its mod revision is the revision of the transaction. */
  | { kind: 'won' }
  /** The key is there, and not at the revision that was to be replaced. */
  | { kind: 'held'; entry: Entry }
  /** The key that was to be replaced is not there any more. */
  | { kind: 'absent' };

/** A change of a key. `modRevision` of a deletion is the revision of the deletion. */
export type KeyEvent =
  { kind: 'put'; entry: Entry } | { kind: 'deleted'; key: string; modRevision: number };

/**
 * How many keys one call may name: etcd allows 128 operations a transaction, the nested ones
 * counted.
 */
export const MAX_KEYS_PER_CALL = 100;

/**
 * What the coordinator needs of etcd, and nothing else.
 *
 * A call that changes something and throws {@link StoreUnavailable} is *unknown*: it may have been
 * applied, or may still be on its way. A call never hangs for ever. Order: `acquire` and
 * `confirmAbsent` go through etcd's log, so what they say was so at their revision; `read` and
 * `list` may be stale after a pause of a server.
 */
export interface LeaseStore {
  /** Creates an etcd lease. `ttlMs` is what was granted, which may be more than was asked for. */
  grant(ttlS: number): Promise<{ leaseId: string; ttlMs: number }>;
  /** Prolongs a lease. `ttlMs` 0: there is no such lease (any more). */
  renew(leaseId: string): Promise<{ ttlMs: number }>;
  /** Ends a lease and deletes its keys. A lease that is gone already counts as revoked. */
  revoke(leaseId: string): Promise<void>;

  /**
   * Puts each wanted key whose condition holds, all in one transaction: a verdict per want, in
   * their order, and the revision of the transaction. At most {@link MAX_KEYS_PER_CALL}, no key
   * twice.
   *
   * @throws LeaseGone when the lease does not exist; nothing was put.
   */
  acquire(
    leaseId: string,
    wants: readonly Want[],
  ): Promise<{ revision: number; verdicts: WantVerdict[] }>;
  /**
   * Deletes each key that still has the given mod revision, all in one transaction; answers which
   * were deleted. At most {@link MAX_KEYS_PER_CALL}, no key twice.
   */
  release(terms: readonly { key: string; modRevision: number }[]): Promise<boolean[]>;
  /**
   * Puts a key, whatever was there.
   *
   * @throws LeaseGone when the lease does not exist; nothing was put.
   */
  put(leaseId: string, key: string, value: string): Promise<void>;
  /**
   * Whether a key is absent, authorised by a transaction that goes through etcd's log: to make it
   * one that writes, it puts the caller's own key again.
   *
   * @throws LeaseGone when the lease does not exist; then nothing is known.
   */
  confirmAbsent(
    absentKey: string,
    own: { key: string; value: string; leaseId: string },
  ): Promise<boolean>;

  /**
   * Reads up to {@link MAX_KEYS_PER_CALL} keys, in their order, with the revision that etcd is at.
   */
  read(keys: readonly string[]): Promise<{ revision: number; entries: (Entry | undefined)[] }>;
  /** Every key under a prefix, as of one revision. */
  list(prefix: string): Promise<{ revision: number; entries: Entry[] }>;
  /**
   * Follows the keys under a prefix from a revision on. A watch that breaks (error, end of the
   * stream, compaction) says so once and is over: the caller lists again. After `close` neither
   * callback is called.
   */
  watch(
    prefix: string,
    fromRevision: number,
    onEvents: (events: readonly KeyEvent[]) => void,
    onBroken: (why: string) => void,
  ): { close(): void };

  /** Ends the connections. Calls under way fail. */
  close(): void;
}

/** etcd did not answer, or not in time. What was asked may have been done all the same. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

/**
 * etcd says that the lease, on which something was to be hung, does not exist. Nothing was changed.
 */
export class LeaseGone extends Error {
  override readonly name = 'LeaseGone';
}
