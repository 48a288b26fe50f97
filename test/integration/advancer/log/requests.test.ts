import type { Client } from 'pg';
import { describe, expect, it } from 'vitest';

import type { PostgresLog } from '../../../../advancer/log/postgres-log.ts';
import type { UnheldReceipt } from '../../../../advancer/log/requests.ts';
import {
  codeOf,
  connect,
  entryOf,
  freshId,
  insertReceipt,
  insertRow,
  logDatabase,
  logWithRunbook,
  newInstance,
  newReceipt,
  newRow,
} from './fixture.ts';

async function opened(): Promise<PostgresLog> {
  return (await logWithRunbook()).replica;
}

/** An instance whose log has a row. */
async function withRow(client: Client): Promise<string> {
  const instanceId = freshId();
  await insertRow(client, newRow(instanceId, 1, 'started'));
  return instanceId;
}

function refusal(over: Partial<UnheldReceipt> = {}): UnheldReceipt {
  const ids = { requestId: freshId('q'), instanceId: freshId(), ...over };
  const receipt = newReceipt(ids.requestId, ids.instanceId, {
    outcome: 'not_found',
    nextCellId: null,
  });
  return { agentId: 'ann', receipt, ...ids };
}

describe('requests', () => {
  it('have a state: their receipt, of whatever instance, and whether theirs exists', async () => {
    const replica = await opened();
    const { instance } = await replica.startInstance(newInstance());
    const { instanceId } = instance;
    const requestId = freshId('q');
    const receipt = newReceipt(requestId, instanceId);
    await replica.append(
      entryOf([newRow(instanceId, 1, 'started')], {
        receipt: { requestId, agentId: 'ann', lastSeq: 1, receipt },
      }),
    );
    const states = await Promise.all([
      replica.requests.state({ instanceId, requestId }),
      replica.requests.state({ instanceId, requestId: freshId('q') }),
      replica.requests.state({ instanceId: freshId(), requestId }),
      replica.requests.state({ instanceId: freshId(), requestId: freshId('q') }),
    ]);
    expect(states).toEqual([
      { receipt, hasInstance: true },
      { receipt: undefined, hasInstance: true },
      { receipt, hasInstance: false },
      { receipt: undefined, hasInstance: false },
    ]);
    expect(await replica.requests.list({ requestId, limit: 10 })).toMatchObject([
      { requestId, instanceId, outcome: 'advanced', agentId: 'ann', fencingToken: 10, lastSeq: 1 },
    ]);
  });

  it('are refused under no lease once, and only where none is needed', async () => {
    const replica = await opened();
    const first = refusal();
    expect(await replica.requests.refuse(first)).toBe('recorded');
    expect(await replica.requests.refuse(first)).toBe('receipted');
    const { requestId, instanceId } = first;
    expect((await replica.requests.state(first)).receipt).toEqual(first.receipt);
    expect(await replica.requests.list({ instanceId, limit: 10 })).toMatchObject([
      { requestId, outcome: 'not_found', agentId: 'ann', fencingToken: 0, lastSeq: 0 },
    ]);
    const { instance } = await replica.startInstance(newInstance());
    expect(await replica.requests.refuse(refusal({ instanceId: instance.instanceId }))).toBe(
      'moved_on',
    );
    await replica.append(entryOf([newRow(instance.instanceId, 1, 'started')]));
    const expired = refusal({ instanceId: instance.instanceId });
    expired.receipt.outcome = 'expired';
    expect(await replica.requests.refuse(expired)).toBe('moved_on');
  });

  it('are listed newest first, by agent and by outcome', async () => {
    const replica = await opened();
    const [agentId, otherId] = [freshId('agent'), freshId('agent')];
    const [older, newer] = [refusal({ agentId }), refusal({ agentId })];
    for (const one of [older, newer, refusal({ agentId: otherId })])
      await replica.requests.refuse(one);
    const listed = await replica.requests.list({ agentId, limit: 10 });
    expect(listed.map(({ requestId }) => requestId)).toEqual([newer.requestId, older.requestId]);
    expect(await replica.requests.list({ agentId, limit: 1 })).toHaveLength(1);
    expect(await replica.requests.list({ agentId, outcome: 'parked', limit: 10 })).toEqual([]);
  });
});

describe('the guard of receipts', () => {
  it('records without a lease only refusals, on an empty log, that name no holder', async () => {
    const client = await connect((await logDatabase()).appUrl);
    const insert = (over: object): Promise<string> =>
      codeOf(
        insertReceipt(client, {
          requestId: freshId('q'),
          instanceId: freshId(),
          fencingToken: 0,
          lastSeq: 0,
          ...over,
        }),
      );
    for (const outcome of ['not_found', 'expired', 'invalid'] as const) {
      expect(await insert({ outcome })).toBe('ok');
      expect(await insert({ outcome, lastSeq: 1 })).toBe('23514');
      // An attempt is open: who refuses the request must hold the instance.
      expect(await insert({ outcome, instanceId: await withRow(client) })).toBe('LH006');
    }
    for (const outcome of ['completed', 'advanced', 'parked', 'out_of_order'] as const)
      expect(await insert({ outcome })).toBe('23514');
    const held = client.query(
      `insert into leasehold.requests (request_id, instance_id, fencing_token, last_seq, receipt)
         values ($1, $2, 0, 0, $3)`,
      [
        freshId('q'),
        freshId(),
        { outcome: 'expired', holder: { replicaId: 'r-00000001', fencingToken: 3 } },
      ],
    );
    expect(await codeOf(held)).toBe('23514');
  });

  it('says that there is no instance only while there is none', async () => {
    const client = await connect((await logDatabase()).appUrl);
    const instanceId = freshId();
    const refuse = (): Promise<string> =>
      codeOf(
        insertReceipt(client, {
          requestId: freshId('q'),
          instanceId,
          fencingToken: 0,
          lastSeq: 0,
          outcome: 'not_found',
        }),
      );
    expect(await refuse()).toBe('ok');
    await client.query(
      `insert into leasehold.instances (instance_id, runbook_id, version, agent_id)
         values ($1, 'any', 1, 'tester')`,
      [instanceId],
    );
    expect(await refuse()).toBe('LH006');
  });
});
