import type { BusReply } from './bus.ts';

/**
 * Whether a replica that was asked directly is gone, or answered that it does not hold the
 * instance. The request is then broadcast.
 */
export function isNotHolder(reply: BusReply): boolean {
  if (reply.kind !== 'reply') return reply.kind === 'no_responders';
  return (reply.body as { error?: { code?: unknown } } | null)?.error?.code === 'conflict';
}
