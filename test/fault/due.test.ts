import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { watchMachine } from '../harness/busy.ts';
import { eventually } from '../harness/replicas.ts';
import { httpCell, runbookOf, Scene } from '../harness/scene.ts';

/** The full number is 1,000: LEASEHOLD_TEST_WAITERS=1000. */
const WAITERS = Number(process.env['LEASEHOLD_TEST_WAITERS'] ?? 200);

const RUNBOOKS = [
  runbookOf('waits', [
    { id: 'gate', await: { claim: 'everybody', statuses: ['open'] } },
    httpCell('go', { onInterrupt: 'rerun' }),
  ]),
  runbookOf('timed', [
    { id: 'soak', await: { for: '700ms' } },
    httpCell('first'),
    {
      id: 'late',
      await: { claim: 'never', statuses: ['open'], within: '700ms', otherwise: 'skip' },
    },
    httpCell('second'),
  ]),
  runbookOf('child', [{ id: 'pause', await: { for: '300ms' } }, httpCell('work')]),
  runbookOf('parent', [
    {
      id: 'all',
      run: { runbook: 'child', each: [1, 2, 3], inputs: { witness: '${inputs.witness}' } },
    },
    httpCell('after'),
  ]),
  runbookOf('long', [
    httpCell('one', { onInterrupt: 'rerun' }),
    httpCell('two', { onInterrupt: 'rerun' }),
    { id: 'asked', await: { claim: 'asked', statuses: ['yes'] } },
    httpCell('three', { onInterrupt: 'rerun' }),
  ]),
  runbookOf('doubtful', [
    { id: 'lost', exec: { command: ['sh', '-c', 'kill -KILL $$'] } },
    httpCell('then'),
  ]),
];

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start({ replicas: 3 }, RUNBOOKS);
});
afterAll(() => scene?.stop());

async function start(instanceId: string, runbookId: string): Promise<void> {
  const { cluster, witness } = scene;
  const inputs = { witness: witness.url };
  const body = { instanceId, runbookId, inputs, agentId: 'tester', unattended: true };
  expect(await cluster.request(cluster.subject('start'), body)).toMatchObject({ created: true });
}

function ended(instanceId: string, status = 'completed') {
  return eventually(async () => {
    const reply = await scene.cluster.status(instanceId);
    return reply.status === status ? reply : undefined;
  });
}

async function parked(ids: readonly string[]): Promise<void> {
  await eventually(async () => {
    const { rows } = await scene.cluster.app.query<{ count: string }>(
      `select count(*) from leasehold_projection.instances
         where instance_id = any($1) and status = 'parked'`,
      [ids],
    );
    return Number(rows[0]!.count) === ids.length ? true : undefined;
  });
}

async function killAll(): Promise<void> {
  const replicas = scene.cluster.replicas.slice(-3);
  for (const replica of replicas) replica.kill();
  await Promise.all(replicas.map(({ exited }) => exited));
}

async function startAll(): Promise<void> {
  await Promise.all(['a', 'b', 'c'].map((name) => scene.cluster.startReplica(name)));
}

describe('an unattended instance', () => {
  it('moves from its start to its end with nobody asking: a pause, a deadline, and cells', async (context) => {
    const machine = await watchMachine();
    const { cluster, witness } = scene;
    const id = scene.name('timed');
    const sinceMs = performance.now();
    await start(id, 'timed');
    expect(await ended(id)).toMatchObject({ unattended: true, status: 'completed' });
    const tookMs = performance.now() - sinceMs;
    expect(await scene.story(id)).toEqual([
      'satisfied soak 1',
      'started first 1',
      'completed first 1',
      'skipped late 1',
      'started second 1',
      'completed second 1',
    ]);
    expect(witness.effects(id)).toHaveLength(2);
    // Each row is for a derived request, and each such request that has a receipt wrote a row.
    const rows = await cluster.rows(id);
    for (const { request_id: requestId } of rows) expect(requestId).toMatch(/^auto_/);
    const receipts = await cluster.app.query<{ receipt: { steps: unknown[] } }>(
      'select receipt from leasehold.requests where instance_id = $1',
      [id],
    );
    for (const { receipt } of receipts.rows) expect(receipt.steps.length).toBeGreaterThan(0);
    machine.skipIfBusy(context);
    // Twice 700 ms, and less than half a second each until that is noticed.
    expect(tookMs).toBeLessThan(3_000);
  });

  it('is moved by the end of its children, which nobody asks either', async () => {
    const id = scene.name('parent');
    await start(id, 'parent');
    await ended(id);
    for (const n of [0, 1, 2]) expect(scene.witness.effects(`${id}-all-${n}`)).toHaveLength(1);
    expect(scene.witness.effects(id)).toHaveLength(1);
  });

  it('goes on after a decision', async () => {
    const { cluster } = scene;
    const id = scene.name('doubtful');
    await start(id, 'doubtful');
    await ended(id, 'in_doubt');
    const body = { agentId: 'ann', cellId: 'lost', attempt: 1, as: 'skipped', reason: 'looked' };
    await cluster.request(cluster.subject('decide', id), body);
    expect(await ended(id)).toMatchObject({ status: 'completed' });
  });

  it('may not be asked for under an id that replicas derive, nor started again as attended', async () => {
    const { cluster } = scene;
    const id = scene.name('waits');
    await start(id, 'waits');
    expect(await cluster.advance(id, 'auto_mine')).toMatchObject({
      outcome: 'invalid',
      error: { field: 'requestId', message: expect.stringContaining('auto_') },
    });
    expect(await cluster.start(id, 'waits', { witness: scene.witness.url })).toMatchObject({
      error: { code: 'conflict', message: expect.stringContaining('unattended') },
    });
  });
});

describe('an attended instance', () => {
  it('shows that it is due, and moves when it is asked', async () => {
    const { cluster } = scene;
    const id = scene.name('attended');
    await cluster.start(id, 'timed', { witness: scene.witness.url });
    expect(await cluster.advance(id, scene.name('q'))).toMatchObject({ outcome: 'parked' });
    expect(await cluster.status(id)).toMatchObject({ unattended: false, status: 'parked' });
    await eventually(async () => {
      const status = await cluster.status(id);
      return status.due === true ? true : undefined;
    });
    await sleep(700);
    expect(await cluster.rows(id)).toEqual([]);
    expect(await cluster.advance(id, scene.name('q'))).toMatchObject({ outcome: 'parked' });
  });
});

describe('a claim that is made by SQL while no replica runs', () => {
  it(`wakes all ${WAITERS} instances that wait for it once replicas are up, each once`, async () => {
    const { cluster, witness } = scene;
    const ids = Array.from({ length: WAITERS }, (_, nth) => `w${nth}`);
    await Promise.all(ids.map((id) => start(id, 'waits')));
    await parked(ids);
    await killAll();
    await cluster.app.query(
      `insert into leasehold.claims (claim_id, revision, status, agent_id, evidence)
         values ('everybody', 1, 'open', 'sql', '{"ticket": 7}')`,
    );
    const { rows: waiting } = await cluster.app.query(
      `select 1 from leasehold_projection.unattended where claim_id = 'everybody'`,
    );
    expect(waiting.length).toBeGreaterThanOrEqual(WAITERS);
    const shown = await cluster.cli(['claims', 'everybody', '--json', '--limit', '10']);
    expect(JSON.parse(shown.stdout)).toMatchObject({
      claimId: 'everybody',
      revisions: [{ revision: 1, status: 'open', agentId: 'sql', evidence: { ticket: 7 } }],
      waiting: expect.arrayContaining([expect.objectContaining({ unattended: true })]),
      waitingTruncated: true,
    });
    await startAll();
    await Promise.all(ids.map((id) => ended(id)));
    for (const id of ids) {
      expect(await scene.story(id)).toEqual(['satisfied gate 1', 'started go 1', 'completed go 1']);
      expect(witness.effects(id)).toHaveLength(1);
    }
    // Nobody waits, so the note is gone.
    await eventually(async () => {
      const notes = await cluster.app.query(
        `select 1 from leasehold_projection.wakes where id = 'everybody'`,
      );
      return notes.rowCount === 0 ? true : undefined;
    });
  });
});

describe('a kill of everything', () => {
  it('is continued without any agent, at whichever cell it was', async () => {
    const { cluster, witness } = scene;
    const ids = Array.from({ length: 12 }, (_, nth) => `k${nth}`);
    await Promise.all(ids.map((id) => start(id, 'long')));
    // Some are inside an effect, some between two, some parked, some not begun.
    await eventually(() => Promise.resolve(witness.effects(ids[0]!)[0]));
    await killAll();
    await startAll();
    await parked(ids);
    const body = { status: 'yes', agentId: 'ann' };
    await cluster.request(cluster.subject('claim', 'asked'), body);
    await Promise.all(ids.map((id) => ended(id)));
    for (const id of ids) {
      const rows = await cluster.rows(id);
      const completed = rows.filter(({ kind }) => kind === 'completed');
      expect(completed.map(({ cell_id: cell }) => cell)).toEqual(['one', 'two', 'three']);
      const attempts = rows.filter(({ kind }) => kind === 'started');
      expect(witness.effects(id).length).toBeLessThanOrEqual(attempts.length);
    }
    const { code, stdout, stderr } = await cluster.cli(['audit', '--json']);
    expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
  });
});
