import { TransientMap } from '../../src/transient-map.ts';
import type { Receipt } from '../../src/request/receipt.ts';

const MOST = 1_024;

/**
 * The newest receipts that this process has recorded or read, by request id: who asks again soon is
 * answered from memory. A receipt never changes, so one that is here is the one that is in the log;
 * one that is not may be there all the same.
 */
export class RecentReceipts {
  readonly #receipts = new TransientMap<string, Receipt>();

  get(requestId: string): Receipt | undefined {
    return this.#receipts.get(requestId);
  }

  /** Takes in a receipt that is definitely in the log. */
  add(requestId: string, receipt: Receipt): void {
    this.#receipts.set(requestId, receipt);
    if (this.#receipts.size <= MOST) return;
    for (const oldest of this.#receipts.keys()) {
      this.#receipts.delete(oldest);
      break;
    }
  }
}
