import type { BusReply } from './bus.ts';

/**
 * Whether the replica that was asked alone is gone, or says that it does not hold the instance:
 * then all are asked.
 */
export function isElsewhere(reply: BusReply): boolean {
  if (reply.kind !== 'reply') return reply.kind === 'no_responders';
  return (reply.body as { error?: { code?: unknown } } | null)?.error?.code === 'conflict';
}
