import type {
  Refused,
  Requests,
  RequestState,
  UnheldReceipt,
} from '../../advancer/log/requests.ts';
import type { SimPostgres } from './sim-log.ts';

/** Requests in a {@link SimPostgres}, with the guard's rules. */
export class SimRequests {
  readonly #postgres: SimPostgres;

  constructor(postgres: SimPostgres) {
    this.#postgres = postgres;
  }

  /** See {@link Requests}; `call` is one statement as a process sends it. */
  as(call: <T>(name: string, apply: () => T) => Promise<T>): Requests {
    return {
      state: ({ instanceId, requestId }) =>
        call('requestState', (): RequestState => {
          const { receipts, instances } = this.#postgres;
          const receipt = receipts.get(requestId)?.receipt;
          return { receipt, hasInstance: instances.has(instanceId) };
        }),
      refuse: (refusal) => call('refuse', () => this.#refuse(refusal)),
      list: () => Promise.resolve([]),
    };
  }

  #refuse({ instanceId, requestId, receipt }: UnheldReceipt): Refused {
    const { receipts, instances } = this.#postgres;
    if (receipts.has(requestId)) return 'receipted';
    if (this.#postgres.rowsOf(instanceId).length > 0) return 'moved_on';
    if (receipt.outcome === 'not_found' && instances.has(instanceId)) return 'moved_on';
    receipts.set(requestId, {
      requestId,
      instanceId,
      receipt: structuredClone(receipt),
      lastSeq: 0,
      fencingToken: 0,
    });
    return 'recorded';
  }
}
