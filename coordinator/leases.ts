import type { FencingToken } from '../src/ids.ts';
import type { Holding } from '../src/lease/holding.ts';
import type { NamespaceSecret } from './secrets.ts';

/** A lease key as it was last seen: a hint, unless a transaction returned it. */
export interface LeaseRecord {
  instanceId: string;
  replicaId: string;
  /** The key's mod revision: the token of that term. */
  token: FencingToken;
}

/** A live replica, as it registered itself. */
export interface ReplicaRecord {
  replicaId: string;
  name: string;
  pid: number;
  httpUrl: string;
  /**
   * The handlers that it has, by name. Undefined for a replica of a version that does not say:
   * which ones it has is unknown.
   */
  handlers?: readonly string[] | undefined;
  /**
   * The names of the secrets that its effects may receive. Undefined for a replica of a version
   * that has none.
   */
  effectSecrets?: readonly string[] | undefined;
  /**
   * The version of the MAC with which it seals and opens messages of replicas; undefined for a
   * replica of a version that does not.
   */
  mac?: number | undefined;
  /** The ids of the namespace's secrets that it has. */
  secretIds?: readonly string[] | undefined;
}

/** The result of trying to acquire a lease. */
export type AcquireOutcome =
  | { kind: 'acquired'; holding: Holding }
  | { kind: 'held'; by: LeaseRecord }
  /** No session, or etcd did not answer in time; nothing is held that this process would act on. */
  | { kind: 'unavailable'; why: string };

/** What the advancer needs of the coordinator: which replica holds what. */
export interface Leases {
  /** This process's id; never used twice. */
  readonly replicaId: string;

  /** The holding of an instance, if this process has a trusted one. */
  holding(instanceId: string): Holding | undefined;
  /** Acquires the lease if no replica has it; returns the present holding if there is one. */
  acquire(instanceId: string): Promise<AcquireOutcome>;
  /**
   * Replaces exactly the term that was seen. The caller has made sure that its holder is
   * unreachable.
   */
  takeOver(seen: LeaseRecord): Promise<AcquireOutcome>;
  /** Deletes the key if it still has this term's token, and ends the holding. */
  release(holding: Holding, why: string): Promise<void>;
  /**
   * Ends at once every holding whose instance the predicate picks, pinned ones too, and releases
   * them in batches.
   *
   * @param headStartMs how long replicas that have been notified have to replace the ended terms
   *   before they are released
   */
  releaseAll(
    which: (instanceId: string) => boolean,
    why: string,
    headStartMs?: number,
  ): Promise<void>;
  /** A higher token was seen: ends the holding at once, and leaves etcd's key alone. */
  supersede(holding: Holding): void;
  /** Keeps a holding from being released as idle until the returned function is called. */
  pin(holding: Holding): () => void;

  /** Live replicas as last seen: a hint. Includes this one while it is registered. */
  replicas(): readonly ReplicaRecord[];
  /** Every registered replica as last seen, draining ones too: a hint. */
  registered(): readonly ReplicaRecord[];
  /** The namespace's secrets, oldest first; empty until they have been read. */
  secrets(): readonly NamespaceSecret[];
  /** The lease of an instance as last seen: a hint. */
  hint(instanceId: string): LeaseRecord | undefined;
  /** The lease of an instance, read from etcd now. */
  look(instanceId: string): Promise<LeaseRecord | 'none' | 'unavailable'>;
  /** Calls back with each instance whose lease key went away. Returns the unsubscribe function. */
  onVanished(listener: (instanceId: string) => void): () => void;
  /**
   * Whether a process is gone from etcd, by a transaction that went through etcd's log (a plain
   * read may be stale after a pause). `gone` holds for every term that the process acquired before
   * this answer: it may come back with a new session, but never revives an old term.
   */
  confirmGone(replicaId: string): Promise<'gone' | 'registered' | 'unknown'>;

  /** Ends the session so that others can take over; a new one is opened once the gate allows. */
  stepDown(why: string): Promise<void>;
  /** Why this process does not lead at the moment; undefined when it does. */
  notLeading(): string | undefined;
}
