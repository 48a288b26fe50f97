import type { Receipt } from './receipt.ts';

/** More of a reason is found in the status of its cell. */
const MAX_ERROR_CHARACTERS = 16 * 1024;
/** A step has no more bytes than this: two ids, two numbers, a kind and their names. */
const STEP_BYTES = 280;
/** The rest of a receipt, apart from its error and what it waits for. */
const OTHER_BYTES = 2_048;
/** A character of text may become six bytes of JSON. */
const CHARACTER_BYTES = 6;

/**
 * The receipt, cut to a size. A long reason is cut, and of the steps the newest are kept; a receipt
 * of which steps were left out says so. What a receipt records is not changed by this.
 */
export function fitReceipt(receipt: Receipt, maxBytes: number): Receipt {
  if (mayBeBytes(receipt) <= maxBytes) return receipt;
  const { error } = receipt;
  const fitted: Receipt =
    error === undefined
      ? { ...receipt }
      : { ...receipt, error: { ...error, message: cutReason(receipt, error.message) } };
  let leftBytes = maxBytes - bytesOf({ ...fitted, steps: [], stepsTruncated: true });
  const { steps } = receipt;
  let from = steps.length;
  while (from > 0) {
    leftBytes -= bytesOf(steps[from - 1]) + 1;
    if (leftBytes < 0) break;
    from -= 1;
  }
  if (from === 0) return fitted;
  return { ...fitted, steps: steps.slice(from), stepsTruncated: true };
}

/** At least its size, without writing it: most receipts are small. */
function mayBeBytes({ steps, error, awaiting, unwinding }: Receipt): number {
  const texts = [error?.message ?? '', unwinding?.reason ?? '', ...(awaiting?.statuses ?? [])];
  const characters = texts.reduce((sum, text) => sum + text.length, 0);
  return OTHER_BYTES + steps.length * STEP_BYTES + characters * CHARACTER_BYTES;
}

function cutReason({ nextCellId }: Receipt, message: string): string {
  if (message.length <= MAX_ERROR_CHARACTERS) return message;
  const cut = message.length - MAX_ERROR_CHARACTERS;
  const where = nextCellId === null ? 'the status' : `the status of cell ${nextCellId}`;
  return `${message.slice(0, MAX_ERROR_CHARACTERS)}… (${cut} more characters: ask for ${where})`;
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
