import { TransientMap } from '../../src/transient-map.ts';
import type { Receipt } from '../../src/request/receipt.ts';

const MAX_RECEIPTS = 1_024;

/**
 * The newest receipts that this process has recorded or read, by request id, so that a request that
 * is soon sent again is answered from memory. A receipt never changes, so one that is here is the
 * one in the log. One that is not here may be in the log all the same.
 */
export class RecentReceipts {
  readonly #receipts = new TransientMap<string, Receipt>();

  get(requestId: string): Receipt | undefined {
    return this.#receipts.get(requestId);
  }

  /** Adds a receipt that is definitely in the log. */
  add(requestId: string, receipt: Receipt): void {
    this.#receipts.set(requestId, receipt);
    if (this.#receipts.size <= MAX_RECEIPTS) return;
    for (const oldest of this.#receipts.keys()) {
      this.#receipts.delete(oldest);
      break;
    }
  }
}
