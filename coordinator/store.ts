/** A key in etcd. Revisions order every change of etcd's keys. */
export interface Entry {
  key: string;
  value: string;
  createRevision: number;
  /**
   * The revision of the transaction that put the current value: the fencing token of a lease key.
   */
  modRevision: number;
  /** The etcd lease that the key is attached to, if any. */
  leaseId: string | undefined;
}

/** A key to put, and the condition for it. */
export interface Want {
  key: string;
  value: string;
  /** The mod revision that the key must have; undefined: the key must not exist. */
  replaces?: number | undefined;
}

/** A transaction's answer to one want. */
export type WantVerdict =
  /** The key was put; its mod revision is the revision of the transaction. */
  | { kind: 'won' }
  /** The key exists, and not at the revision to replace. */
  | { kind: 'held'; entry: Entry }
  /** The key to replace no longer exists. */
  | { kind: 'absent' };

/** A change of a key. `modRevision` of a deletion is the revision of the deletion. */
export type KeyEvent =
  { kind: 'put'; entry: Entry } | { kind: 'deleted'; key: string; modRevision: number };

/**
 * How many keys one call may name: etcd allows 128 operations per transaction, nested ones
 * included.
 */
export const MAX_KEYS_PER_CALL = 100;

/**
 * Exactly what the coordinator needs of etcd.
 *
 * A call that changes something and throws {@link StoreUnavailable} is *unknown*: it may have been
 * applied, or may still be on its way. No call hangs forever. `acquire` and `confirmAbsent` go
 * through etcd's log, so their answers were true at their revision; `read` and `list` may be stale
 * after a server was paused.
 */
export interface LeaseStore {
  /** Creates an etcd lease. `ttlMs` is the granted TTL, which may exceed the requested one. */
  grant(ttlS: number): Promise<{ leaseId: string; ttlMs: number }>;
  /** Renews a lease. `ttlMs` 0: there is no such lease (any more). */
  renew(leaseId: string): Promise<{ ttlMs: number }>;
  /** Revokes a lease and deletes its keys. A lease that is already gone counts as revoked. */
  revoke(leaseId: string): Promise<void>;

  /**
   * Puts each wanted key whose condition holds, all in one transaction. Returns a verdict per want,
   * in order, and the revision of the transaction. At most {@link MAX_KEYS_PER_CALL}, no key twice.
   *
   * @throws LeaseGone when the lease does not exist; nothing was put.
   */
  acquire(
    leaseId: string,
    wants: readonly Want[],
  ): Promise<{ revision: number; verdicts: WantVerdict[] }>;
  /**
   * Deletes each key that still has the given mod revision, all in one transaction. Returns which
   * were deleted. At most {@link MAX_KEYS_PER_CALL}, no key twice.
   */
  release(terms: readonly { key: string; modRevision: number }[]): Promise<boolean[]>;
  /**
   * Puts a key, whether it exists or not.
   *
   * @throws LeaseGone when the lease does not exist; nothing was put.
   */
  put(leaseId: string, key: string, value: string): Promise<void>;
  /**
   * Puts a key that is attached to no lease, if it has the given mod revision (0: if it does not
   * exist). False: it has another one, and nothing was put.
   */
  replace(key: string, value: string, modRevision: number): Promise<boolean>;
  /**
   * Whether a key is absent, by a transaction that goes through etcd's log: to make it a write, it
   * puts the caller's own key again.
   *
   * @throws LeaseGone when the lease does not exist; then nothing is known.
   */
  confirmAbsent(
    absentKey: string,
    own: { key: string; value: string; leaseId: string },
  ): Promise<boolean>;

  /**
   * Reads up to {@link MAX_KEYS_PER_CALL} keys, in order, with the revision that etcd is at.
   */
  read(keys: readonly string[]): Promise<{ revision: number; entries: (Entry | undefined)[] }>;
  /** Every key under a prefix, as of one revision. */
  list(prefix: string): Promise<{ revision: number; entries: Entry[] }>;
  /**
   * Watches the keys under a prefix from a revision on. A watch that breaks (error, end of the
   * stream, compaction) calls `onBroken` once and is over: the caller re-lists. After `close`
   * neither callback is called.
   */
  watch(
    prefix: string,
    fromRevision: number,
    onEvents: (events: readonly KeyEvent[]) => void,
    onBroken: (why: string) => void,
  ): { close(): void };

  /** Closes the connections. Calls under way fail. */
  close(): void;
}

/** etcd did not answer, or not in time. The call may have been applied all the same. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

/**
 * etcd says that the lease to attach a key to does not exist. Nothing was changed.
 */
export class LeaseGone extends Error {
  override readonly name = 'LeaseGone';
}
