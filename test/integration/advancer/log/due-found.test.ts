import type { Client } from 'pg';
import { describe, expect, it } from 'vitest';

import type { PostgresLog } from '../../../../advancer/log/postgres-log.ts';
import { FIND_DUE } from '../../../../advancer/log/sql/due.ts';
import { claimed, isDue, park, parkable, waitingFor, wakesOf } from './due-fixture.ts';
import { RUNBOOK, connect, databaseOfFile, entryOf, freshId, log, newRow } from './fixture.ts';

const database = databaseOfFile();

async function opened(): Promise<PostgresLog> {
  const replica = log(database);
  await replica.pushRunbook(RUNBOOK);
  return replica;
}

describe('what happens to a family', () => {
  it('is noted: the end of a child for its parent, and a cancellation for the children', async () => {
    const replica = await opened();
    const { instanceId: parentId } = await parkable(replica);
    const child = freshId();
    await replica.children.start({
      parentId,
      cellId: 'a',
      attempt: 1,
      seq: 0,
      fencingToken: 10,
      runbookId: 'refund',
      version: 1,
      children: [{ n: null, instanceId: child, otherId: freshId(), inputs: {} }],
    });
    await park(replica, parentId, {});
    const end = (instanceId: string, children: boolean) =>
      replica.append(
        entryOf(
          [
            newRow(instanceId, 1, 'cancelled', {
              body: { by: 'x', reason: 'y', left: [], children },
            }),
          ],
          { projection: { status: 'cancelled', nextCellId: null, rest: 'ended' } },
        ),
      );
    await end(child, false);
    const [wake] = await wakesOf(replica, parentId);
    expect(wake).toMatchObject({ kind: 'child_ended' });
    await replica.due.forget([wake!.wakeId]);
    await end(parentId, true);
    expect(await wakesOf(replica, parentId)).toMatchObject([{ kind: 'cancel_children' }]);
    expect(await wakesOf(replica, child)).toEqual([]);
  });
});

describe('the last resort', () => {
  it('makes due what a lost note or a stale line has left, and nothing else', async () => {
    const replica = await opened();
    const owner = await connect(database.ownerUrl);
    const [lost, stale, waits] = await Promise.all([0, 1, 2].map(() => parkable(replica)));
    for (const { instanceId, claimId } of [lost!, stale!, waits!])
      await park(replica, instanceId, waitingFor(claimId));
    await claimed(owner, lost!.claimId, 'open');
    await owner.query('delete from leasehold_projection.wakes where id = $1', [lost!.claimId]);
    // As an older release would have appended.
    await replica.append(
      entryOf([newRow(stale!.instanceId, 1, 'satisfied')], {
        projection: { status: 'ready', nextCellId: 'a' },
      }),
    );
    for (let after: string | undefined = ''; after !== undefined;)
      after = (await replica.due.recheck(after, 2)).last;
    expect(await isDue(replica, lost!.instanceId)).toBe(true);
    expect(await isDue(replica, stale!.instanceId)).toBe(true);
    expect(await isDue(replica, waits!.instanceId)).toBe(false);
  });
});

describe('with a hundred thousand parked instances', () => {
  async function filled(): Promise<Client> {
    const owner = await connect(database.ownerUrl);
    await owner.query(
      `insert into leasehold_projection.unattended
           (instance_id, last_seq, due_at, claim_id, claim_revision, claim_statuses)
         select 'many-' || n, 1, case when n % 2 = 0 then now() + n * interval '1 hour' end,
                case when n % 3 = 0 then 'many-' || n % 1000 end, 0, '{open}'
           from generate_series(1, 100000) n`,
    );
    await owner.query('analyze leasehold_projection.unattended');
    return owner;
  }

  interface Plan {
    'Node Type': string;
    'Relation Name'?: string;
    Plans?: Plan[];
  }

  async function scansOf(
    owner: Client,
    statement: string,
    values: readonly string[],
  ): Promise<string[]> {
    const literal = values.reduce(
      (text, value, nth) => text.replaceAll(`$${nth + 1}`, value),
      statement,
    );
    const { rows } = await owner.query<{ 'QUERY PLAN': { Plan: Plan }[] }>(
      `explain (format json) ${literal}`,
    );
    const nodes = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];
    return nodes(rows[0]!['QUERY PLAN'][0]!.Plan)
      .filter((plan) => plan['Relation Name'] === 'unattended')
      .map((plan) => plan['Node Type']);
  }

  it('a poll reads by indexes only, and nothing that is not due', async () => {
    const owner = await filled();
    const scans = await scansOf(owner, FIND_DUE, ['500']);
    expect(scans.length).toBeGreaterThanOrEqual(2);
    for (const scan of scans) expect(scan).toMatch(/^Index/);
    const waiters = `select u.instance_id from leasehold_projection.unattended u
      where u.claim_id = 'many-3' and u.claim_revision < 1 and 'open' = any(u.claim_statuses)
        and u.instance_id > '' order by u.instance_id limit 500`;
    for (const scan of await scansOf(owner, waiters, [])) expect(scan).toMatch(/^(Index|Bitmap)/);
    const replica = await opened();
    const { nextMs } = await replica.due.find(500);
    expect(nextMs).toBeLessThanOrEqual(2 * 3_600_000);
  });
});
