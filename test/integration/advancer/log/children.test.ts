import { createHash } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import type { ChildrenStart, NewChild } from '../../../../advancer/log/children.ts';
import type { PostgresLog } from '../../../../advancer/log/postgres-log.ts';
import { MAX_CHILD_INPUT_BYTES } from '../../../../src/execution/children.ts';
import type { NewRow, RowKind } from '../../../../src/execution/row.ts';
import type { JsonObject } from '../../../../src/json.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';
import { watchMachine } from '../../../harness/busy.ts';
import {
  connect,
  databaseOfFile,
  entryOf,
  log,
  newRow,
  replicaDatabase,
  replicaLog,
} from './fixture.ts';

const PARENT: Runbook = {
  runbook: 'parent',
  version: 1,
  inputs: [],
  cells: [{ id: 'all', run: { runbook: 'child', each: [0, 1, 2] } }],
};
const CHILD: Runbook = {
  runbook: 'child',
  version: 3,
  inputs: [],
  cells: [
    { id: 'a', exec: { handler: 'x' } },
    { id: 'b', exec: { handler: 'x' } },
  ],
};

const database = databaseOfFile();

async function prepared(replica = log(database)): Promise<PostgresLog> {
  await replica.pushRunbook(PARENT);
  await replica.pushRunbook(CHILD);
  return replica;
}

let names = 0;
async function parentIn(replica: PostgresLog): Promise<string> {
  names += 1;
  const instanceId = `p${names}`;
  const own = { runbookId: 'parent', version: 1, inputs: {}, agentId: 'ann' };
  await replica.startInstance({ instanceId, ...own });
  return instanceId;
}

function row(
  instanceId: string,
  seq: number,
  kind: RowKind,
  { token = 10, ...more }: { cellId: string; token?: number; body?: JsonObject },
): NewRow {
  return newRow(instanceId, seq, kind, { fencingToken: token, ...more });
}

async function append(replica: PostgresLog, ...rows: NewRow[]): Promise<void> {
  expect(await replica.append(entryOf(rows))).toMatchObject({ kind: 'appended' });
}

function start(parentId: string, more: Partial<ChildrenStart> = {}): ChildrenStart {
  return {
    parentId,
    cellId: 'all',
    attempt: 1,
    seq: 0,
    fencingToken: 10,
    runbookId: 'child',
    version: 3,
    children: [0, 1, 2].map((n) => ({
      n,
      instanceId: `${parentId}-all-${n}`,
      otherId: `${parentId}-other-${n}`,
      inputs: { n },
    })),
    ...more,
  };
}

describe('children', () => {
  it('are started together, once, with the agent of the parent', async () => {
    const replica = await prepared();
    const parent = await parentIn(replica);
    expect(await replica.children.of(parent)).toEqual([]);
    expect(await replica.children.start(start(parent))).toEqual({ kind: 'started' });
    expect(await replica.children.of(parent, 'all')).toEqual(
      [0, 1, 2].map((n) => ({
        instanceId: `${parent}-all-${n}`,
        cellId: 'all',
        n,
        attempt: 1,
        runbookId: 'child',
        version: 3,
        ending: undefined,
      })),
    );
    expect(await replica.children.of(parent, 'other')).toEqual([]);
    expect(await replica.instance(`${parent}-all-1`)).toMatchObject({
      agentId: 'ann',
      inputs: { n: 1 },
      parent: { instanceId: parent, cellId: 'all', n: 1 },
    });
    expect(await replica.instance(parent)).not.toHaveProperty('parent');
    expect(await replica.children.start(start(parent))).toMatchObject({ kind: 'exists' });
    expect(await replica.list({ parent, limit: 2 })).toMatchObject([
      { instanceId: `${parent}-all-0`, status: 'ready', lastSeq: 0, parent: { n: 0 } },
      { instanceId: `${parent}-all-1` },
    ]);
    const after = { parent, after: `${parent}-all-1`, limit: 9, runbookId: 'child' };
    expect(await replica.list({ ...after, status: 'ready' })).toHaveLength(1);
    expect(await replica.list({ ...after, status: 'completed' })).toEqual([]);
  });

  it('are started by one of many holders at once', async () => {
    const [one, two] = [await prepared(), await prepared()];
    const parent = await parentIn(one);
    const started = await Promise.all([
      one.children.start(start(parent, { fencingToken: 10 })),
      two.children.start(start(parent, { fencingToken: 11 })),
    ]);
    expect(started.map(({ kind }) => kind).toSorted()).toEqual(['exists', 'started']);
    expect(await one.children.of(parent)).toHaveLength(3);
  });

  it('get their other id if an agent has taken the first one, and none if both are taken', async () => {
    const replica = await prepared();
    const parent = await parentIn(replica);
    const own = { runbookId: 'child', version: 3, inputs: {}, agentId: 'eve' };
    await replica.startInstance({ instanceId: `${parent}-all-1`, ...own });
    expect(await replica.children.start(start(parent))).toEqual({ kind: 'started' });
    const ids = (await replica.children.of(parent)).map(({ instanceId }) => instanceId);
    expect(ids).toEqual([`${parent}-all-0`, `${parent}-other-1`, `${parent}-all-2`]);
    const next = await parentIn(replica);
    for (const id of [`${next}-all-2`, `${next}-other-2`])
      await replica.startInstance({ instanceId: id, ...own });
    expect(await replica.children.start(start(next))).toMatchObject({
      kind: 'exists',
      detail: expect.stringContaining(`${next}-other-2`),
    });
    expect(await replica.children.of(next)).toEqual([]);
  });

  it('are not started once the log of the parent has moved on, or has a newer token', async () => {
    const replica = await prepared();
    const parent = await parentIn(replica);
    await append(replica, row(parent, 1, 'refuted', { cellId: 'all', token: 12 }));
    expect(await replica.children.start(start(parent))).toMatchObject({ kind: 'moved' });
    await append(
      replica,
      row(parent, 2, 'decided', {
        cellId: 'all',
        token: 12,
        body: { as: 'rerun', by: 'ann', reason: 'again' },
      }),
    );
    const again = { attempt: 2, seq: 2 };
    expect(
      await replica.children.start(start(parent, { ...again, fencingToken: 11 })),
    ).toMatchObject({ kind: 'moved', detail: expect.stringContaining('stale token') });
    expect(await replica.children.of(parent)).toEqual([]);
    expect(await replica.children.start(start(parent, { ...again, fencingToken: 12 }))).toEqual({
      kind: 'started',
    });
  });

  it('have ended once their newest row says so, and have the outputs of their rows', async () => {
    const replica = await prepared();
    const parent = await parentIn(replica);
    await replica.children.start(start(parent));
    const [first, second, third] = [0, 1, 2].map((n) => `${parent}-all-${n}`) as [
      string,
      string,
      string,
    ];
    const ran = (id: string, seq: number, cellId: string, output: string) => [
      row(id, seq, 'started', { cellId, body: { idempotencyKey: `${id}/${cellId}/1` } }),
      row(id, seq + 1, 'completed', { cellId, body: { output } }),
    ];
    await append(replica, ...ran(first, 1, 'a', 'small'), ...ran(first, 3, 'b', 'too'));
    await append(replica, ...ran(second, 1, 'a', 'x'.repeat(2_000)), ...ran(second, 3, 'b', 'y'));
    await append(
      replica,
      ...ran(third, 1, 'a', 'kept'),
      row(third, 3, 'cancelled', { cellId: 'a', body: { by: 'x', reason: 'y', left: [] } }),
    );
    const endings = (await replica.children.of(parent)).map(({ ending }) => ending);
    expect(endings).toEqual(['completed', 'completed', 'cancelled']);
    const outputs = await replica.children.outputs([first, second], 1_000);
    expect(outputs).toEqual(
      new Map<string, unknown>([
        [first, { outputs: { a: 'small', b: 'too' } }],
        [second, { bytes: expect.any(Number) }],
      ]),
    );
    expect((await replica.children.outputs([first, second], 10_000)).get(second)).toMatchObject({
      outputs: { b: 'y' },
    });
    expect(await replica.children.outputs([], 1_000)).toEqual(new Map());
  });

  it('know how deep they are, and whether their parent was cancelled with them', async () => {
    const replica = await prepared();
    const parent = await parentIn(replica);
    await replica.children.start(start(parent));
    const child = `${parent}-all-0`;
    expect(await replica.children.depth(parent, 10)).toBe(0);
    expect(await replica.children.depth(child, 10)).toBe(1);
    expect(await replica.children.cancelledParent(child)).toBeUndefined();
    expect(await replica.children.cancelledParent(parent)).toBeUndefined();
    const body = { by: 'ann', reason: 'not needed', children: true };
    await append(replica, row(parent, 1, 'unwinding', { cellId: 'all', body }));
    expect(await replica.children.cancelledParent(child)).toEqual({
      parentId: parent,
      reason: 'not needed',
    });
  });
});

describe('a thousand children', () => {
  function thousand(parent: string, inputsOf: (n: number) => JsonObject): NewChild[] {
    return Array.from({ length: 1_000 }, (_, n) => ({
      n,
      instanceId: `${parent}-all-${n}`,
      otherId: `${parent}-other-${n}`,
      inputs: inputsOf(n),
    }));
  }

  it('are started, read and added up in a few statements within a replica’s time limit', async () => {
    // As `migrate` leaves it: the server ends a statement after 1.5 s.
    const own = await replicaDatabase();
    const replica = await prepared(replicaLog(own));
    const parent = await parentIn(replica);
    const children = thousand(parent, (n) => ({ n }));
    expect(await replica.children.start(start(parent, { children }))).toEqual({ kind: 'started' });
    const owner = await connect(own.ownerUrl);
    for (const [seq, kind, body] of [
      [1, 'started', `jsonb_build_object('idempotencyKey', i.instance_id || '/b/1')`],
      [2, 'completed', `'{"output": {"done": true}}'`],
    ] as const) {
      await owner.query(
        `insert into leasehold.executions
             (instance_id, seq, fencing_token, replica_id, kind, cell_id, body)
           select i.instance_id, ${seq}, 20, 'x', '${kind}', 'b', ${body}
             from leasehold.instances i where i.parent_instance_id = $1 order by 1`,
        [parent],
      );
    }
    const known = await replica.children.of(parent, 'all');
    expect(known.map(({ n }) => n)).toEqual(children.map(({ n }) => n));
    expect(new Set(known.map(({ ending }) => ending))).toEqual(new Set(['completed']));
    const ids = known.map(({ instanceId }) => instanceId);
    const outputs = await replica.children.outputs(ids, 256 * 1024);
    expect(outputs.size).toBe(1_000);
    expect(outputs.get(ids[999]!)).toEqual({ outputs: { b: { done: true } } });
  });

  it('are started with as many bytes of inputs as a run cell gives, within the same limit', async (context) => {
    const machine = await watchMachine();
    const replica = await prepared(replicaLog(await replicaDatabase()));
    const parent = await parentIn(replica);
    const bytes = Math.floor(MAX_CHILD_INPUT_BYTES / 1_000) - 20;
    // Not all alike, or Postgres would compress them to nothing.
    const children = thousand(parent, (n) => ({
      n,
      text: createHash('sha512').update(String(n)).digest('hex').repeat(140).slice(0, bytes),
    }));
    const started = await replica.children.start(start(parent, { children })).catch(String);
    if (typeof started === 'string') machine.skipIfBusy(context);
    expect(started).toEqual({ kind: 'started' });
    expect(await replica.children.of(parent)).toHaveLength(1_000);
  });
});
