/** How the ids of requests begin that replicas derive; agents may not use such ids. */
export const DERIVED_PREFIX = 'auto_';

/** The agent of rows that were written for a derived request. Agent ids cannot contain an `@`. */
export const DERIVED_AGENT = '@due';

/** Whether a replica derived the request with this id: nobody waits for its receipt. */
export function isDerived(requestId: string): boolean {
  return requestId.startsWith(DERIVED_PREFIX);
}
