import { readFileSync } from 'node:fs';

import type { Client } from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';

import { LogHealth } from '../../../../advancer/log-health.ts';
import { ClaimExhausted } from '../../../../advancer/log/log.ts';
import { RUNBOOK, codeOf, connect, entryOf, freshId, insertReceipt, insertRow } from './fixture.ts';
import {
  log,
  logDatabase,
  newInstance,
  newRow,
  receiptEntry,
  type LogDatabase,
} from './fixture.ts';

const MOST = Number.MAX_SAFE_INTEGER;
/** 2^53, which a number holds by chance, and the largest bigint. */
const TOO_MUCH = ['9007199254740992', '9223372036854775807'];

let database: LogDatabase;

beforeAll(async () => {
  database = await logDatabase();
});

/** A row with a token as text: JavaScript has no number for some of them. */
function rowWith(client: Client, instanceId: string, token: string): Promise<unknown> {
  return client.query(
    `insert into leasehold.executions (instance_id, seq, fencing_token, replica_id, kind, cell_id, body)
       values ($1, 1, $2, 'hostile', 'started', 'a', '{}')`,
    [instanceId, token],
  );
}

describe('the database rejects numbers above 2^53 - 1', () => {
  it.each(TOO_MUCH)('such as %s, in every table (23514)', async (number) => {
    const app = await connect(database.appUrl);
    expect(await codeOf(rowWith(app, freshId(), number))).toBe('23514');
    const values: [string, string[]][] = [
      [
        'requests (request_id, instance_id, fencing_token, last_seq, receipt)',
        [`'${freshId('q')}', '${freshId()}', ${number}, 0, '{}'`],
      ],
      [
        'requests (request_id, instance_id, fencing_token, last_seq, receipt)',
        [`'${freshId('q')}', '${freshId()}', 5, ${number}, '{}'`],
      ],
      [
        'late_outcomes (instance_id, cell_id, attempt, fencing_token, replica_id, kind)',
        [`'${freshId()}', 'a', 1, ${number}, 'hostile', 'completed'`],
      ],
      [
        'refusals (instance_id, seq, fencing_token, replica_id, kind, reason)',
        [
          `'${freshId()}', 1, ${number}, 'hostile', 'started', ''`,
          `'${freshId()}', ${number}, 1, 'hostile', 'started', ''`,
        ],
      ],
    ];
    for (const [into, lines] of values) {
      for (const line of lines) {
        const inserted = app.query(`insert into leasehold.${into} values (${line})`);
        expect([into, await codeOf(inserted)]).toEqual([into, '23514']);
      }
    }
  });

  it('and accepts 2^53 - 1 itself', async () => {
    const own = await logDatabase();
    const app = await connect(own.appUrl);
    const [id, request] = [freshId(), freshId('q')];
    expect(await insertRow(app, newRow(id, 1, 'started', { fencingToken: MOST }))).toBe(1);
    expect(await insertRow(app, newRow(id, 2, 'completed', { fencingToken: MOST }))).toBe(1);
    await insertReceipt(app, {
      requestId: request,
      instanceId: id,
      lastSeq: 2,
      fencingToken: MOST,
    });
  });
});

describe('a claim', () => {
  it('takes the revision after its newest and no other, so that its revisions cannot be used up', async () => {
    const app = await connect(database.appUrl);
    const replica = log(database);
    const claimId = freshId('c');
    const insert = (...revisions: number[]): Promise<string> =>
      codeOf(
        app.query(
          `insert into leasehold.claims (claim_id, revision, status, agent_id)
             select $1, unnest($2::int[]), 'done', 'hostile'`,
          [claimId, revisions],
        ),
      );
    expect(await insert(2_147_483_647)).toBe('LH001');
    expect(await insert(2)).toBe('LH001');
    expect(await insert(1, 2)).toBe('ok');
    expect(await insert(2_147_483_647)).toBe('LH001');
    expect(await insert(2)).toBe('23505');
    const next = { claimId, status: 'approved', agentId: 'ann', evidence: null };
    expect(await replica.claim(next)).toMatchObject({ revision: 3 });
  });

  it('that has the last revision, from before that was refused, says so, and can be repaired', async () => {
    const owner = await connect(database.ownerUrl);
    const replica = log(database);
    const claimId = freshId('c');
    await owner.query('alter table leasehold.claims disable trigger guard');
    await owner.query(
      `insert into leasehold.claims (claim_id, revision, status, agent_id)
         values ($1, 1, 'open', 'ann'), ($1, 2147483647, 'done', 'hostile')`,
      [claimId],
    );
    await owner.query('alter table leasehold.claims enable trigger guard');
    const next = { claimId, status: 'approved', agentId: 'ann', evidence: null };
    const refused = await replica.claim(next).catch((cause: unknown) => cause);
    expect(refused).toBeInstanceOf(ClaimExhausted);
    expect(String(refused)).toContain(claimId);
    await procedure(owner, 'leasehold.claims where', { claim: claimId, revision: 2_147_483_647 });
    expect(await replica.claim(next)).toMatchObject({ revision: 2 });
  });
});

describe('a row that no replica can have written', () => {
  it.each([
    ['the largest bigint, from before that was refused', '9223372036854775807'],
    ['2^53 - 1', '9007199254740991'],
  ])(
    'with token %s is named at startup, and the documented way removes it',
    async (_what, token) => {
      const own = await logDatabase();
      const [owner, app] = [await connect(own.ownerUrl), await connect(own.appUrl)];
      const replica = log(own);
      const { instanceId } = newInstance();
      await replica.append(entryOf([newRow(instanceId, 1, 'started', { fencingToken: 7 })]));
      await owner.query('alter table leasehold.executions disable trigger guard');
      await app.query(
        `insert into leasehold.executions (instance_id, seq, fencing_token, replica_id, kind, cell_id, body)
         values ($1, 2, $2, 'hostile', 'interrupted', 'a', '{"reason": "crash"}')`,
        [instanceId, token],
      );
      await owner.query('alter table leasehold.executions enable trigger guard');

      const gate = (): Promise<string | undefined> =>
        new LogHealth({ log: replica } as never).gate(() => Promise.resolve(7));
      const row = `leasehold.executions, instance ${instanceId}, seq 2, token ${token}, replica hostile`;
      expect(await gate()).toContain(row);
      expect(await gate()).toContain(
        'docs/operations.md, "A row that no replica can have written"',
      );

      await procedure(owner, 'leasehold.executions where', { instance: instanceId, seq: 2 });
      expect(await gate()).toBeUndefined();
      const outcome = newRow(instanceId, 2, 'completed', { fencingToken: 7 });
      expect(await replica.append(entryOf([outcome]))).toMatchObject({ kind: 'appended' });
      // The log is append-only again.
      const wiped = owner.query('delete from leasehold.executions');
      expect(await codeOf(wiped)).toBe('LH004');
    },
  );

  it('is named as well if it is a receipt', async () => {
    const own = await logDatabase();
    const owner = await connect(own.ownerUrl);
    const replica = log(own);
    const [id, request] = [freshId(), freshId('q')];
    await replica.append(receiptEntry(id, request, 0, { fencingToken: MOST }));
    const gate = (): Promise<string | undefined> =>
      new LogHealth({ log: replica } as never).gate(() => Promise.resolve(7));
    expect(await gate()).toContain(
      `leasehold.requests, instance ${id}, request ${request}, token ${MOST}, replica not named`,
    );
    await procedure(owner, 'leasehold.requests where request_id', { request });
    expect(await gate()).toBeUndefined();
  });

  it('is named to those who ask for its instance', async () => {
    const own = await logDatabase();
    const owner = await connect(own.ownerUrl);
    const replica = log(own);
    await replica.pushRunbook(RUNBOOK);
    const instance = newInstance();
    const { instanceId } = instance;
    await replica.startInstance(instance);
    await owner.query('alter table leasehold.executions disable trigger guard');
    await rowWith(owner, instanceId, '9223372036854775807');
    await owner.query('alter table leasehold.executions enable trigger guard');
    await expect(replica.snapshot(instanceId)).rejects.toThrow(
      `instance ${instanceId}, seq 1, token 9223372036854775807, replica hostile`,
    );
  });
});

/** Runs the block of docs/operations.md that has this text, as psql does with variables. */
async function procedure(
  owner: Client,
  text: string,
  variables: { [name: string]: string | number },
): Promise<void> {
  const docs = readFileSync(new URL('../../../../docs/operations.md', import.meta.url), 'utf8');
  const blocks = [...docs.matchAll(/```sql\n([^`]+)```/g)].map(([, block]) => block ?? '');
  const block = blocks.find((one) => one.includes(`delete from ${text}`));
  if (block === undefined) throw new Error(`docs/operations.md has no block with ${text}`);
  const filled = block.replaceAll(/:'?([a-z]+)'?/g, (found, name: string) => {
    const value = variables[name];
    if (value === undefined) throw new Error(`${found} has no value`);
    return found.startsWith(":'") ? `'${value}'` : String(value);
  });
  await owner.query(`begin; ${filled} commit`);
}
