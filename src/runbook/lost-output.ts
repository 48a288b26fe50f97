import { isJsonObject, storableText, type Json } from '../json.ts';
import { memberOf } from './pointer.ts';

/** How much of the beginning of a lost output is kept. */
export const HEAD_BYTES = 1_024;

/**
 * Stands for the output of an effect that ended, and whose output could not be stored. Such an
 * effect is not a failure: it happened.
 */
export type LostOutput = {
  outputLost: {
    /** Why it could not be stored; continues a sentence about the output. */
    why: string;
    /** The size of the output's text. */
    bytes: number;
    /** The first KiB of its text. */
    head: string;
  };
};

/** Makes a {@link LostOutput}. Of `text`, at least the first KiB is needed. */
export function lostOutput(why: string, bytes: number, text: string | Buffer): LostOutput {
  // A character takes four bytes at most: one that is cut is left out.
  const first = Buffer.from(typeof text === 'string' ? text.slice(0, HEAD_BYTES) : text);
  let head = first.subarray(0, HEAD_BYTES).toString('utf8');
  if (first.length > HEAD_BYTES || bytes > first.length) head = head.replace(/\ufffd{1,3}$/, '');
  return { outputLost: { why: storableText(why), bytes, head: storableText(head) } };
}

/**
 * The lost output that keys meet on their way into a cell's output: that output itself, or that of
 * one instance in the output of a run cell.
 */
export function lostAlong(
  output: Json | undefined,
  keys: readonly string[],
): LostOutput | undefined {
  let at = output;
  for (const key of keys) {
    if (isLostOutput(at) || at === undefined) break;
    at = memberOf(at, key);
  }
  return isLostOutput(at) ? at : undefined;
}

/** Whether an output stands for one that was lost. */
export function isLostOutput(output: Json | undefined): output is LostOutput {
  if (!isJsonObject(output) || Object.keys(output).length !== 1) return false;
  const lost = output['outputLost'];
  return (
    isJsonObject(lost) &&
    typeof lost['why'] === 'string' &&
    typeof lost['bytes'] === 'number' &&
    typeof lost['head'] === 'string'
  );
}
