import type { AppendEntry, Rejected } from '../../advancer/log/log.ts';
import type { JsonObject } from '../../src/json.ts';

/** An output that the simulated Postgres refuses. */
export const UNSTORABLE = 'unstorable';

/** Postgres refuses what a statement other than an append holds. */
export class Unstorable extends Error {}

/** How Postgres refuses an entry with an unstorable output; undefined if it accepts it. */
export function unstorable({ rows }: AppendEntry): Rejected | undefined {
  if (!rows.some(({ body }) => body['output'] === UNSTORABLE)) return undefined;
  return { kind: 'rejected', why: 'invalid data (SQLSTATE 22P05)', ofData: true };
}

/** @throws Unstorable for a body with an unstorable output */
export function refuseUnstorable(body: JsonObject): void {
  if (body['output'] === UNSTORABLE) throw new Unstorable('invalid data (SQLSTATE 22P05)');
}
