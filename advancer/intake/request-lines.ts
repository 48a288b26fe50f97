import { isJsonObject, type Json } from '../../src/json.ts';
import type { Logger } from '../../src/logger.ts';
import type { PendingRequest } from './pending-request.ts';

/** Logs at debug what came of a request that needed the lease, or that another replica answered. */
export function logPending(logger: Logger, { operation, reply }: PendingRequest, ms: number): void {
  if (logger.isLevelEnabled?.('debug') !== true) return;
  const { key, instanceId, requestId } = operation;
  const verb = key.slice(0, key.indexOf('/'));
  const forMs = Math.round(ms);
  logger.debug({ verb, instanceId, requestId, outcome: outcomeOf(reply), forMs }, 'request');
}

/** Logs at debug how a request that any replica may answer was answered. */
export function logQuery(logger: Logger, verb: string, id: string, reply: Json, ms: number): void {
  if (logger.isLevelEnabled?.('debug') !== true) return;
  logger.debug({ verb, id, outcome: outcomeOf(reply), forMs: Math.round(ms) }, 'request');
}

/** What a reply says of its request, in a word. */
function outcomeOf(reply: Json | undefined): string {
  if (reply === undefined) return 'answered elsewhere';
  if (!isJsonObject(reply)) return 'done';
  const { outcome, error } = reply;
  if (typeof outcome === 'string') return outcome;
  if (!isJsonObject(error)) return 'done';
  return typeof error['code'] === 'string' ? error['code'] : 'error';
}
