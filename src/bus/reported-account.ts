import type { Msg } from 'nats';

import type { ReportedAccount } from './bus.ts';

/** The header that a server adds to a message that comes through a service import. */
export const REQUEST_INFO = 'Nats-Request-Info';

/**
 * Reads the account that the server reports.
 *
 * Servers do not reliably remove a header of that name that the sender has set, but they always add
 * their own. So more than one is an attempt to speak for the server, and none of them counts.
 */
export function reportedAccount(message: Pick<Msg, 'headers'>): ReportedAccount {
  try {
    const { headers } = message;
    if (headers === undefined || !headers.has(REQUEST_INFO)) return { kind: 'none' };
    const [value = '', ...others] = headers.values(REQUEST_INFO);
    if (others.length > 0) return { kind: 'contradictory' };
    const { acc } = JSON.parse(value) as { acc?: unknown };
    return typeof acc === 'string' ? { kind: 'reported', account: acc } : { kind: 'contradictory' };
  } catch {
    // The client throws for headers that it cannot read.
    return { kind: 'contradictory' };
  }
}
