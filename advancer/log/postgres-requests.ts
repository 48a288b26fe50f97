import { Batches } from '../../src/batches.ts';
import { storable } from '../../src/json.ts';
import { isRefusal, type Queryable } from './connections.ts';
import type {
  ListedRequest,
  Refused,
  RequestFilter,
  RequestIds,
  Requests,
  RequestState,
  UnheldReceipt,
} from './requests.ts';
import { insertUnheldReceipt, listRequests, readRequestStates } from './sql/receipts.ts';

/** What the guard raises where a lease is needed, as guard_requests.sql has it. */
const MOVED_ON = new Set(['LH002', 'LH006']);

/** A read that failed is a value, because `Batches` may not reject. */
type StateResult = { state: RequestState } | { failed: unknown };

/** Requests, in Postgres. */
export class PostgresRequests implements Requests {
  readonly #db: Queryable;
  readonly #states: Batches<RequestIds, StateResult>;

  constructor(db: Queryable) {
    this.#db = db;
    this.#states = new Batches({ maxItems: 64, maxInFlight: 2, defer: setImmediate }, (ids) =>
      this.#readTogether(ids),
    );
  }

  async state(ids: RequestIds): Promise<RequestState> {
    const read = await this.#states.add(ids);
    if ('failed' in read) throw read.failed;
    return read.state;
  }

  async #readTogether(ids: RequestIds[]): Promise<StateResult[]> {
    try {
      return (await readRequestStates(this.#db, ids)).map((state) => ({ state }));
    } catch (failed) {
      return ids.map(() => ({ failed }));
    }
  }

  async refuse(refusal: UnheldReceipt): Promise<Refused> {
    const receipt = storable(refusal.receipt);
    try {
      return (await insertUnheldReceipt(this.#db, { ...refusal, receipt }))
        ? 'recorded'
        : 'receipted';
    } catch (cause) {
      if (isRefusal(cause) && MOVED_ON.has(cause.code)) return 'moved_on';
      throw cause;
    }
  }

  list(filter: RequestFilter): Promise<ListedRequest[]> {
    return listRequests(this.#db, filter);
  }
}
