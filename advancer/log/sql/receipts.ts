import type { Receipt } from '../../../src/request/receipt.ts';
import type { Queryable } from '../connections.ts';

/** The receipt of a request; undefined when it has none. */
export async function receiptOf(db: Queryable, requestId: string): Promise<Receipt | undefined> {
  const [line] = await db.query<{ receipt: Receipt }>(
    'select receipt from leasehold.requests where request_id = $1',
    [requestId],
  );
  return line?.receipt;
}
