import type { Leases } from '../coordinator/leases.ts';

/** The coordinator as the replica drives it. */
export interface LeasesLifecycle extends Leases {
  start(): Promise<void>;
  /** Acquires nothing more, and says so in etcd; what is held stays held until it is released. */
  drain(): Promise<void>;
  /** How many leases are held, with or without work. */
  readonly held: number;
  /**
   * Ends every term at once, releases everything and ends the session.
   *
   * @param headStartMs how long others that know of it have to replace the terms before they are
   *   released
   */
  stop(headStartMs?: number): Promise<void>;
}
