import { LeaseholdError } from '../../src/agent/error.ts';

/** Protocol errors are answers; any other error is a bug. */
export function ignoreProtocolError(error: unknown): undefined {
  if (error instanceof LeaseholdError) return undefined;
  throw error;
}
