import * as fc from 'fast-check';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { chainBreach } from '../../../../src/execution/chain.ts';
import type { ChainRow } from '../../../../src/execution/chain.ts';
import { candidate, recipes } from '../../../harness/candidate-rows.ts';
import { codeOf, freshId, insertRow, logDatabase, newRow } from './fixture.ts';
import type { LogDatabase } from './fixture.ts';

let database: LogDatabase;
let app: Client;
let superuser: Client;

beforeAll(async () => {
  database = await logDatabase();
  app = new Client({ connectionString: database.appUrl });
  superuser = new Client({ connectionString: database.superuserUrl });
  await app.connect();
  await superuser.connect();
});

afterAll(async () => {
  await app.end();
  await superuser.end();
});

/** The code that the database should answer. The primary key refuses a `seq` that is taken. */
function expectedCode(log: readonly ChainRow[], row: ChainRow): string {
  if (log[row.seq - 1] !== undefined) return '23505';
  return chainBreach(log[row.seq - 2], row)?.code ?? 'ok';
}

it('the guard in the database and the rule in the source decide the same for every row', async () => {
  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(recipes, async (list) => {
      const instanceId = freshId();
      const log: ChainRow[] = [];
      for (const recipe of list) {
        const row = candidate(log, recipe);
        const expected = expectedCode(log, row);
        const code = await codeOf(insertRow(app, newRow(instanceId, row.seq, row.kind, row)));
        expect({ row, after: log.at(row.seq - 2), code }).toEqual({
          row,
          after: log.at(row.seq - 2),
          code: expected,
        });
        if (code === 'ok') log.push(row);
        seen.set(code, (seen.get(code) ?? 0) + 1);
      }
    }),
    { numRuns: 240 },
  );
  for (const code of ['ok', 'LH001', 'LH002', 'LH003', 'LH007', '23505']) {
    expect(seen.get(code) ?? 0, `candidates that ended with ${code}`).toBeGreaterThan(20);
  }
});

it('with the guard switched off the same rows are accepted, so it is the guard that refuses them', async () => {
  const instanceId = freshId();
  await superuser.query('set session_replication_role = replica');
  try {
    expect(await codeOf(insertRow(superuser, newRow(instanceId, 1, 'started')))).toBe('ok');
    expect(
      await codeOf(insertRow(superuser, newRow(instanceId, 2, 'started', { fencingToken: 3 }))),
    ).toBe('ok');
  } finally {
    await superuser.query('set session_replication_role = origin');
  }
  expect(
    await codeOf(insertRow(superuser, newRow(instanceId, 3, 'started', { fencingToken: 2 }))),
  ).toBe('LH002');
});
