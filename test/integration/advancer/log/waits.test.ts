import type { Client } from 'pg';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { readWait } from '../../../../advancer/log/sql/claims.ts';
import { connect, freshId, log, logDatabase, type LogDatabase } from './fixture.ts';

let database: LogDatabase;

beforeAll(async () => {
  database = await logDatabase();
});

describe('a wait', () => {
  /** A moment, in microseconds from the beginning of the client's transaction. */
  async function moment(client: Client, micros: number): Promise<string> {
    const text = `select leasehold.iso8601(now() + $1::bigint * interval '1 microsecond') as at`;
    const { rows } = await client.query<{ at: string }>(text, [micros]);
    return rows[0]!.at;
  }

  it('is due at its moment and not a microsecond before, by the clock of the database', async () => {
    const client = await connect(database.appUrl);
    onTestFinished(() => client.end());
    const db = {
      query: async <R extends object>(text: string, values?: readonly unknown[]): Promise<R[]> =>
        (await client.query<R>(text, [...(values ?? [])])).rows,
    };
    // In a transaction now() stands still.
    await client.query('begin');
    const judged = async (micros: number, afterMs?: number): Promise<boolean> => {
      const at = await moment(client, micros);
      const due = afterMs === undefined ? { atIso: at } : { sinceIso: at, afterMs };
      return (await readWait(db, undefined, due)).isDue;
    };
    expect([await judged(-1), await judged(0), await judged(1)]).toEqual([true, true, false]);
    const hour = 3_600_000;
    expect([
      await judged(-hour * 1_000, hour),
      await judged(1 - hour * 1_000, hour),
      await judged(0, 100 * 366 * 24 * hour),
    ]).toEqual([true, false, false]);
    await client.query('rollback');
  });

  it('is read together with the newest status of its claim', async () => {
    const replica = log(database);
    const claimId = freshId('claim');
    const past = { atIso: '2020-01-31T12:00:00.000000Z' };
    const future = { sinceIso: '2020-01-31T12:00:00.000000Z', afterMs: 99 * 365 * 86_400_000 };
    expect(await replica.readWait(claimId, past)).toEqual({ claim: undefined, isDue: true });
    await replica.claim({ claimId, status: 'no', agentId: 'me', evidence: null });
    const claim = await replica.claim({ claimId, status: 'yes', agentId: 'me', evidence: [1] });
    expect(await replica.readWait(claimId, future)).toEqual({ claim, isDue: false });
    expect(await replica.readWait(undefined, past)).toEqual({ claim: undefined, isDue: true });
  });
});
