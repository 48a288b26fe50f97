import { isJsonObject, type Json } from '../json.ts';

/** The members of an acknowledgement, each of which JetStream may send. */
const MEMBERS = new Set(['type', 'stream', 'seq', 'domain', 'duplicate', 'val', 'batch', 'count']);

/**
 * The stream that stored a request and acknowledged it, in place of the reply that was asked for;
 * undefined for any other reply. A stream does that with every message on its subjects, and its
 * acknowledgement is there before a replica's reply.
 */
export function acknowledgingStream(reply: Json): string | undefined {
  if (!isJsonObject(reply)) return undefined;
  const { stream, seq } = reply;
  if (typeof stream !== 'string' || typeof seq !== 'number') return undefined;
  return Object.keys(reply).every((name) => MEMBERS.has(name)) ? stream : undefined;
}
