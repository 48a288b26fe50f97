import type { Queryable } from './connections.ts';
import type { Waiter } from './due.ts';
import type { Claim } from './log.ts';
import { claimRevisions, listClaims, parkedAttended, type ListedClaim } from './sql/claims.ts';
import { waitersFor } from './sql/due.ts';

/** What people read about claims. */
export class ClaimRecords {
  readonly #db: Queryable;

  constructor(db: Queryable) {
    this.#db = db;
  }

  /** The newest revision of each claim, in the order of their ids, after `after`. */
  list(after: string, limit: number): Promise<ListedClaim[]> {
    return listClaims(this.#db, after, limit);
  }

  /** The newest revisions of a claim, newest first. */
  revisions(claimId: string, limit: number): Promise<Claim[]> {
    return claimRevisions(this.#db, claimId, limit);
  }

  /** Unattended instances that wait for a claim. */
  waiters(claimId: string, limit: number): Promise<Waiter[]> {
    return waitersFor(this.#db, claimId, limit);
  }

  /** Attended instances that wait for something; for what, only their logs say. */
  parkedAttended(limit: number): Promise<string[]> {
    return parkedAttended(this.#db, limit);
  }
}
