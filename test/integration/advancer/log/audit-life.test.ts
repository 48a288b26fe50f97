import { beforeEach, describe, expect, it } from 'vitest';

import type { ProjectionLine } from '../../../../advancer/log/log.ts';
import { dueIso } from '../../../../src/execution/await.ts';
import { childId, hashedChildId } from '../../../../src/execution/children.ts';
import type { Row, RowKind } from '../../../../src/execution/row.ts';
import type { JsonObject } from '../../../../src/json.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';
import { audit, intruder } from './audit-fixture.ts';
import { log, logDatabase } from './fixture.ts';
import type { LogDatabase } from './fixture.ts';

/*
 * The audit of an instance that skipped, waited, started another one, was unwound and cancelled: as
 * the guard lets it be written, and as a superuser has altered it.
 */

const PART: Runbook = {
  runbook: 'part',
  version: 1,
  inputs: [],
  cells: [{ id: 'done', exec: { handler: 'any' } }],
};
const LIFE: Runbook = {
  runbook: 'life',
  version: 1,
  inputs: [],
  cells: [
    { id: 'booked', exec: { handler: 'any' }, undo: { handler: 'any' } },
    {
      id: 'extra',
      when: [{ cell: 'booked', pointer: '/warm', equals: true }],
      exec: { handler: 'any' },
    },
    { id: 'soak', await: { for: '10ms' } },
    { id: 'late', await: { claim: 'late', statuses: ['open'], within: '1h' } },
    { id: 'parts', run: { runbook: 'part', each: [7] } },
    { id: 'last', exec: { handler: 'any' } },
  ],
};

let database: LogDatabase;

beforeEach(async () => {
  database = await logDatabase();
  await writeLife();
});

/** Writes the whole life through the product's log, so that the guard checks every row. */
async function writeLife(): Promise<void> {
  const replica = log(database);
  for (const runbook of [PART, LIFE]) await replica.pushRunbook(runbook);
  const life = { instanceId: 'i', runbookId: 'life', version: 1, inputs: {}, agentId: 'ann' };
  await replica.startInstance(life);
  const claim = { claimId: 'late', status: 'open', agentId: 'bob', evidence: null };
  await replica.claim(claim);
  const seqs = new Map<string, number>();
  const write = async (
    instanceId: string,
    kind: RowKind,
    cellId: string,
    body: JsonObject,
    status: ProjectionLine['projection']['status'] = 'ready',
    // The child goes on without being asked.
    requestId: string | null = instanceId === 'i' ? 'q' : 'auto_q',
  ): Promise<Row> => {
    const seq = (seqs.get(instanceId) ?? 0) + 1;
    seqs.set(instanceId, seq);
    const agentId = requestId?.startsWith('auto_') === true ? '@due' : 'ann';
    const common = { instanceId, fencingToken: 10, replicaId: 'rA', agentId, requestId };
    const outcome = await replica.append({
      ...common,
      rows: [{ ...common, seq, kind, cellId, attempt: 1, body }],
      projection: { status: kind === 'started' ? 'running' : status, nextCellId: null },
    });
    if (outcome.kind !== 'appended') throw new Error(`${kind} ${cellId} was ${outcome.kind}`);
    return outcome.rows[0]!;
  };
  const run = async (instanceId: string, cellId: string, output: JsonObject): Promise<void> => {
    await write(instanceId, 'started', cellId, { idempotencyKey: `${instanceId}/${cellId}/1` });
    const isLast = cellId === 'done';
    await write(instanceId, 'completed', cellId, { output }, isLast ? 'completed' : 'ready');
  };
  await run('i', 'booked', { warm: false });
  const when = { cell: 'booked', pointer: '/warm', equals: true, actual: false, held: false };
  const { recordedAt: sinceIso } = await write('i', 'skipped', 'extra', { when: [when] });
  await new Promise((resolve) => setTimeout(resolve, 20));
  await write('i', 'satisfied', 'soak', { until: dueIso({ sinceIso, afterMs: 10 }) });
  const { evidence: _none, ...seen } = claim;
  await write('i', 'satisfied', 'late', { ...seen, revision: 1 });
  const place = { parentId: 'i', cellId: 'parts', n: 0, attempt: 1 };
  const started = await replica.children.start({
    ...place,
    seq: 5,
    fencingToken: 10,
    runbookId: 'part',
    version: 1,
    children: [{ n: 0, inputs: {}, instanceId: childId(place), otherId: hashedChildId(place) }],
  });
  expect(started).toEqual({ kind: 'started' });
  await run('i-parts-0', 'done', { ok: true });
  const child = { instanceId: 'i-parts-0', status: 'completed', outputs: { done: { ok: true } } };
  await write('i', 'satisfied', 'parts', { instances: [child] });
  await write('i', 'unwinding', 'parts', { by: 'ann', reason: 'enough' }, 'ready', null);
  await run('i', 'undo-booked', {});
  const end = { by: 'ann', reason: 'enough', left: [] };
  await write('i', 'cancelled', 'undo-booked', end, 'cancelled');
}

describe('the life of an instance', () => {
  it('is clean as the product wrote it, and its checks have examined it', async () => {
    const { code, breaches, summary } = await audit(database, ['--json']);
    expect({ code, breaches }).toEqual({ code: 0, breaches: [] });
    const seen = new Map(summary.checks.map((count) => [count.check, count.seen]));
    for (const check of [
      'cancelled-is-final',
      'unwinds-at-most-once',
      'cancelled-while-cells-were-left',
      'ended-by-whom',
      'left-names-open-doubts',
      'undone-only-while-unwinding',
      'undone-in-reverse-order',
      'undone-once-or-visibly-not',
      'skipped-only-where-allowed',
      'wait-ended-when-due',
      'claim-came-first',
      'children-started-once',
      'children-fenced-by-parent',
      'children-ended-before-verdict',
      'derived-requests-write',
      'unattended-comes-back',
    ])
      expect([check, (seen.get(check) ?? 0) > 0]).toEqual([check, true]);
  });

  it.each<[check: string, seqs: number[], sql: string]>([
    [
      'cancelled-is-final',
      [10, 11],
      `insert into leasehold.executions
         (instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt, request_id, agent_id, body)
         values ('i', 11, 10, 'rA', 'started', 'last', 1, null, 'ann', '{"idempotencyKey": "i/last/1"}')`,
    ],
    [
      'wait-ended-when-due',
      [4],
      `update leasehold.executions e set recorded_at = (select b.recorded_at + interval '9999 microseconds'
         from leasehold.executions b where b.instance_id = 'i' and b.seq = 3)
         where e.instance_id = 'i' and e.seq = 4`,
    ],
    [
      'claim-came-first',
      [5],
      `update leasehold.claims set recorded_at = recorded_at + interval '1 minute'`,
    ],
    [
      'children-started-once',
      [],
      `update leasehold.instances set instance_id = 'elsewhere' where parent_n = 0`,
    ],
    [
      'children-fenced-by-parent',
      [4],
      `update leasehold.instances set parent_seq = 3 where parent_n = 0`,
    ],
    [
      'children-ended-before-verdict',
      [6],
      `update leasehold.executions set body = '{"output": {"ok": false}}'
         where instance_id = 'i-parts-0' and seq = 2`,
    ],
    [
      'left-names-open-doubts',
      [10],
      `update leasehold.executions set body = body - 'left' where kind = 'cancelled'`,
    ],
  ])('%s finds what was altered', async (check, seqs, sql) => {
    await (await intruder(database)).query(sql);
    const { code, breaches } = await audit(database, ['--json']);
    expect(code).toBe(1);
    expect(breaches).toContainEqual(expect.objectContaining({ check, severity: 'breach', seqs }));
  });

  it('is breached when its parent is said to have cancelled it, and did not', async () => {
    const client = await intruder(database);
    await client.query(
      `insert into leasehold.executions
         (instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt, request_id, agent_id, body)
         values ('i-parts-0', 3, 10, 'rA', 'cancelled', 'done', 1, null, null,
           '{"by": "@parent", "reason": "enough", "left": []}')`,
    );
    const { breaches } = await audit(database, ['--json', '--instance', 'i-parts-0']);
    expect(breaches).toContainEqual(
      expect.objectContaining({
        check: 'ended-by-whom',
        what: 'cancelled by its parent i, which does not say so',
      }),
    );
  });
});
