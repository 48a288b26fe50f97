import { isJsonObject, jsonOf, type Json } from '../../src/json.ts';
import { fitReceipt } from '../../src/request/fit-receipt.ts';
import type { Receipt } from '../../src/request/receipt.ts';

/** What a replica that forwards a request adds to the reply. */
const FORWARD_BYTES = 1_024;

/** The reply to a broadcast: a receipt that is larger than a message is cut to its size. */
export function fitReply(body: Json, maxBytes: number): Json {
  if (!isJsonObject(body) || !Array.isArray(body['steps'])) return body;
  return jsonOf(fitReceipt(body as unknown as Receipt, maxBytes - FORWARD_BYTES));
}
