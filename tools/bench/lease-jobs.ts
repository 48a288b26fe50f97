import type { LoopResult } from './closed-loop.ts';

/** The coordinator that the lease process runs. */
export interface LeaseTarget {
  etcdUrl: string;
  namespace: string;
  replicaId: string;
  ttlS: number;
  maxHoldings: number;
}

/** The leases to acquire: instances `PREFIX-0` to `PREFIX-(count - 1)`. */
export interface Acquisition {
  prefix: string;
  count: number;
  /** How many acquisitions are under way at once. */
  atOnce: number;
}

/** The jobs of the process with a coordinator. */
export type LeaseJobs = {
  open(input: LeaseTarget): Promise<void>;
  acquire(input: Acquisition): Promise<LoopResult>;
  /** The heap after a garbage collection, and how many instances are held. */
  heap(input: null): Promise<{ usedBytes: number; held: number }>;
  /** How often the session is renewed within a time. */
  renewals(input: { durationMs: number }): Promise<number>;
  /** Releases everything that is held one by one, in batches. */
  releaseAll(input: null): Promise<{ elapsedMs: number; held: number }>;
  /** Releases everything by ending the session. */
  stop(input: null): Promise<{ elapsedMs: number }>;
};
