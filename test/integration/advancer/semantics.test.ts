import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { ReceiptReply } from '../../harness/replicas.ts';
import { httpCell, runbookOf, Scene, stepsOf } from '../../harness/scene.ts';

const here = (name: string): string =>
  fileURLToPath(new URL(`../../harness/${name}`, import.meta.url));
const EFFECT = [process.execPath, here('effect.mjs'), '${inputs.witness}'];

const RUNBOOKS = [
  runbookOf('three', [
    { id: 'about', prose: 'Three effects in a row.' },
    httpCell('one'),
    httpCell('two'),
    httpCell('three'),
  ]),
  runbookOf('awaiting', [
    httpCell('before'),
    { id: 'gate', await: { claim: 'gate-${outputs.before.key}', statuses: ['open', 'ajar'] } },
    httpCell('after'),
  ]),
  {
    runbook: 'gated',
    version: 1,
    inputs: ['witness', 'claim'],
    cells: [
      { id: 'gate', await: { claim: '${inputs.claim}', statuses: ['open', 'ajar'] } },
      { id: 'check', assert: [{ cell: 'gate', pointer: '/evidence/by', equals: 'bob' }] },
      httpCell('after'),
    ],
  },
  runbookOf('failing', [httpCell('fails'), httpCell('never')]),
  runbookOf('retried', [
    httpCell('tried', { retry: { attempts: 3, backoff: '20ms' } }),
    httpCell('next'),
  ]),
  runbookOf('predicted', [
    httpCell('refused', { expect: [{ status: 409 }, { pointer: '/code', equals: 'exists' }] }),
    { id: 'exits', exec: { command: [...EFFECT, '3'] }, expect: [{ exitCode: 3 }] },
    { id: 'seen', assert: [{ cell: 'refused', pointer: '/code', equals: 'exists' }] },
  ]),
  runbookOf('slow', [httpCell('waits', { timeout: '300ms' }), httpCell('after')]),
  runbookOf('slowAgain', [httpCell('waits', { timeout: '300ms', onInterrupt: 'rerun' })]),
  runbookOf('refuting', [
    httpCell('one'),
    { id: 'check', assert: [{ cell: 'one', pointer: '/count', equals: 2 }] },
    httpCell('never'),
  ]),
  runbookOf('handled', [
    { id: 'first', exec: { handler: 'report' } },
    { id: 'vandal', exec: { handler: 'vandal' } },
    { id: 'second', exec: { handler: 'report' } },
    { id: 'throws', exec: { handler: 'fail' }, expect: [{ errorIncludes: 'never succeeds' }] },
    { id: 'missing', exec: { handler: 'nobody' } },
  ]),
  runbookOf('commanded', [{ id: 'one', exec: { command: EFFECT } }]),
];

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start(
    { replicas: 3, env: { LEASEHOLD_HANDLERS: here('handlers.mjs') } },
    RUNBOOKS,
  );
});
afterAll(() => scene?.stop());

/** Receipts of refused requests are not recorded, and nothing of them is in the log. */
async function expectRefused(receipt: ReceiptReply, outcome: string): Promise<void> {
  expect(receipt).toMatchObject({ outcome, steps: [] });
  expect(await scene.recorded(receipt.requestId)).toBeUndefined();
  const rows = await scene.cluster.rows(receipt.instanceId);
  expect(rows.filter((row) => row.request_id === receipt.requestId)).toEqual([]);
}

describe('the same request id', () => {
  test('queued together with the first: one run, one receipt', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('three');
    const requestId = scene.name('q');
    const receipts = await Promise.all(
      Array.from({ length: 5 }, () => cluster.advance(instanceId, requestId, { maxCells: 1 })),
    );
    expect(receipts[0]).toMatchObject({ outcome: 'advanced', nextCellId: 'two' });
    for (const receipt of receipts) expect(receipt).toEqual(receipts[0]);
    expect(witness.effects(instanceId)).toHaveLength(1);
  });

  test('while the first runs: it joins the run and gets its receipt', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('three');
    const requestId = scene.name('q');
    const release = witness.holdBack(instanceId, 'one');
    const first = cluster.advance(instanceId, requestId);
    await witness.arrived(instanceId, 'one', 1);
    const second = cluster.advance(instanceId, requestId);
    const third = cluster.advance(instanceId, requestId, { wait: true });
    // Another id is refused by the same holder, so the two before it have arrived.
    const other = await cluster.advance(instanceId, scene.name('q'));
    expect(other).toMatchObject({
      outcome: 'in_flight',
      inFlight: { cellId: 'one', attempt: 1, requestId },
    });
    expect(Number.isNaN(Date.parse(other.inFlight?.since ?? ''))).toBe(false);
    await expectRefused(other, 'in_flight');
    release();
    const receipts = await Promise.all([first, second, third]);
    expect(receipts[0]).toMatchObject({ outcome: 'completed', nextCellId: null });
    expect(receipts[1]).toEqual(receipts[0]);
    expect(receipts[2]).toEqual(receipts[0]);
    for (const cell of ['one', 'two', 'three'])
      expect(witness.effects(instanceId, cell)).toHaveLength(1);
  });

  test('after the first, and after rows of other requests: the same receipt, and nothing runs', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('three');
    const requestId = scene.name('q');
    const first = await cluster.advance(instanceId, requestId, { maxCells: 1 });
    expect(first).toMatchObject({ outcome: 'advanced', nextCellId: 'two' });
    expect(await cluster.advance(instanceId, requestId, { maxCells: 1 })).toEqual(first);
    const second = await cluster.advance(instanceId, scene.name('q'));
    expect(second).toMatchObject({ outcome: 'completed', nextCellId: null });
    // Other fields of the message make no other request of it.
    expect(
      await cluster.advance(instanceId, requestId, { agentId: 'somebody', maxCells: 3 }),
    ).toEqual(first);
    expect(await cluster.advance(instanceId, requestId, { cellId: 'three' })).toEqual(first);
    const { receipt } = await cluster.status(instanceId, { requestId });
    expect(receipt).toEqual(first);
    expect(witness.effects(instanceId)).toHaveLength(3);
  });

  test('for another instance is invalid, and names the field', async () => {
    const { cluster, witness } = scene;
    const [one, two] = [await scene.instance('three'), await scene.instance('three')];
    const requestId = scene.name('q');
    const first = await cluster.advance(one, requestId, { maxCells: 1 });
    const second = await cluster.advance(two, requestId, { maxCells: 1 });
    expect(second).toMatchObject({
      requestId,
      instanceId: two,
      outcome: 'invalid',
      steps: [],
      error: { code: 'invalid', field: 'requestId' },
    });
    expect(second.error?.message).toContain(one);
    expect(witness.effects(two)).toEqual([]);
    expect(await scene.recorded(requestId)).toEqual(first);
  });

  test('for two instances at once: one has it, the other is told invalid once its cell is through, and keeps its rows', async () => {
    const { cluster, witness } = scene;
    const [one, two] = [await scene.instance('three'), await scene.instance('three')];
    const requestId = scene.name('q');
    const release = [one, two].map((instanceId) => witness.holdBack(instanceId, 'one'));
    const answers = [one, two].map((instanceId) =>
      cluster.advance(instanceId, requestId, { maxCells: 1 }),
    );
    await Promise.all([one, two].map((instanceId) => witness.arrived(instanceId, 'one', 1)));
    for (const answer of release) answer();
    const receipts = await Promise.all(answers);
    expect(receipts.map(({ outcome }) => outcome).toSorted()).toEqual(['advanced', 'invalid']);
    // The effect of the one that lost the id has happened all the same, and its log says so.
    for (const instanceId of [one, two]) {
      expect((await scene.story(instanceId)).slice(0, 2)).toEqual([
        'started one 1',
        'completed one 1',
      ]);
      const next = await cluster.advance(instanceId, scene.name('q'), { wait: true });
      expect(next.outcome).toBe('completed');
      expect(witness.effects(instanceId)).toHaveLength(3);
    }
  });
});

describe('an await', () => {
  test('parks without writing a row, and goes on once the claim is in a wanted status', async () => {
    const { cluster, witness } = scene;
    const [instanceId, claim] = [scene.name('i'), scene.name('claim')];
    await cluster.start(instanceId, 'gated', { witness: witness.url, claim });
    const first = await cluster.advance(instanceId, scene.name('q'));
    expect(first).toMatchObject({
      outcome: 'parked',
      steps: [],
      nextCellId: 'gate',
      awaiting: { cellId: 'gate', claimId: claim, statuses: ['open', 'ajar'], currentStatus: null },
    });
    expect(await cluster.rows(instanceId)).toEqual([]);
    expect(await scene.recorded(first.requestId)).toEqual(first);
    expect((await cluster.status(instanceId)).status).toBe('parked');

    const claimTo = (status: string): Promise<Record<string, unknown>> =>
      cluster.request(cluster.subject('claim', claim), {
        status,
        agentId: 'bob',
        evidence: { by: 'bob' },
      });
    expect(await claimTo('shut')).toEqual({ claimId: claim, revision: 1, status: 'shut' });
    const second = await cluster.advance(instanceId, scene.name('q'));
    expect(second).toMatchObject({ outcome: 'parked', awaiting: { currentStatus: 'shut' } });
    expect(await cluster.rows(instanceId)).toEqual([]);

    await claimTo('open');
    // A claim alone moves nothing.
    expect(await cluster.rows(instanceId)).toEqual([]);
    // And the request that parked stays parked.
    expect(await cluster.advance(instanceId, first.requestId)).toEqual(first);
    const third = await cluster.advance(instanceId, scene.name('q'));
    expect(third.outcome).toBe('completed');
    expect(await scene.story(instanceId)).toEqual([
      'satisfied gate 1',
      'satisfied check 1',
      'started after 1',
      'completed after 1',
    ]);
    const [gate] = await cluster.rows(instanceId);
    expect(gate?.body).toMatchObject({
      claimId: claim,
      revision: 2,
      status: 'open',
      agentId: 'bob',
    });
    expect(witness.effects(instanceId)).toHaveLength(1);
  });

  test('whose claim’s name comes out as no id refutes, and halts', async () => {
    const { cluster } = scene;
    const instanceId = await scene.instance('awaiting');
    const receipt = await cluster.advance(instanceId, scene.name('q'));
    // The key has slashes in it.
    expect(receipt).toMatchObject({ outcome: 'halted', nextCellId: 'gate' });
    expect(await scene.story(instanceId)).toEqual([
      'started before 1',
      'completed before 1',
      'refuted gate 1',
    ]);
  });
});

describe('a request', () => {
  test('that names another cell than the next is out of order, by name', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('three');
    for (const cellId of ['two', 'about', 'unheard_of']) {
      const receipt = await cluster.advance(instanceId, scene.name('q'), { cellId });
      expect(receipt).toMatchObject({
        outcome: 'out_of_order',
        nextCellId: 'one',
        error: { code: 'out_of_order', field: 'cellId' },
      });
      expect(receipt.error?.message).toContain(cellId);
      expect(receipt.error?.message).toContain('the next cell is one');
      await expectRefused(receipt, 'out_of_order');
    }
    const right = await cluster.advance(instanceId, scene.name('q'), {
      cellId: 'one',
      maxCells: 1,
    });
    expect(right).toMatchObject({ outcome: 'advanced', nextCellId: 'two' });
    const late = await cluster.advance(instanceId, scene.name('q'), { cellId: 'one' });
    expect(late).toMatchObject({ outcome: 'out_of_order', nextCellId: 'two' });
    expect(witness.effects(instanceId)).toHaveLength(1);
  });

  test('refused as out of order may ask again under the same id', async () => {
    const { cluster } = scene;
    const instanceId = await scene.instance('three');
    const requestId = scene.name('q');
    expect((await cluster.advance(instanceId, requestId, { cellId: 'two' })).outcome).toBe(
      'out_of_order',
    );
    await cluster.advance(instanceId, scene.name('q'), { maxCells: 1 });
    expect(
      await cluster.advance(instanceId, requestId, { cellId: 'two', maxCells: 1 }),
    ).toMatchObject({
      outcome: 'advanced',
      nextCellId: 'three',
    });
  });

  test('with maxCells stops with advanced, and its steps are its own rows', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('three');
    const [first, second] = [
      await cluster.advance(instanceId, scene.name('q'), { maxCells: 2 }),
      await cluster.advance(instanceId, scene.name('q'), { maxCells: 2 }),
    ];
    expect(first).toMatchObject({ outcome: 'advanced', nextCellId: 'three' });
    expect(second).toMatchObject({ outcome: 'completed', nextCellId: null });
    const rows = await cluster.rows(instanceId);
    expect(first.steps).toEqual(stepsOf(rows, first.requestId));
    expect(first.steps).toHaveLength(4);
    expect(second.steps).toHaveLength(2);
    expect(rows).toHaveLength(6);
    expect(witness.effects(instanceId)).toHaveLength(3);
    const third = await cluster.advance(instanceId, scene.name('q'));
    expect(third).toMatchObject({ outcome: 'completed', steps: [], nextCellId: null });
  });

  test('with wait queues behind the run; without, it is refused as in flight', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('three');
    const release = witness.holdBack(instanceId, 'one');
    const first = cluster.advance(instanceId, scene.name('q'), { maxCells: 1 });
    await witness.arrived(instanceId, 'one', 1);
    const queued = ['a', 'b'].map((agentId) =>
      cluster.advance(instanceId, scene.name('q'), { wait: true, maxCells: 1, agentId }),
    );
    await expectRefused(await cluster.advance(instanceId, scene.name('q')), 'in_flight');
    expect(witness.effects(instanceId)).toHaveLength(1);
    release();
    expect(await first).toMatchObject({ outcome: 'advanced', nextCellId: 'two' });
    const [second, third] = await Promise.all(queued);
    expect(second).toMatchObject({ outcome: 'advanced', nextCellId: 'three' });
    expect(third).toMatchObject({ outcome: 'completed', nextCellId: null });
    expect(witness.effects(instanceId)).toHaveLength(3);
  });

  test('that has expired is refused, whether it arrives so or expires in the queue', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('three');
    const past = new Date(Date.now() - 1_000).toISOString();
    const late = await cluster.advance(instanceId, scene.name('q'), { expiresAt: past });
    await expectRefused(late, 'expired');

    const release = witness.holdBack(instanceId, 'one');
    const first = cluster.advance(instanceId, scene.name('q'), { maxCells: 1 });
    await witness.arrived(instanceId, 'one', 1);
    const soonMs = Date.now() + 300;
    const queued = cluster.advance(instanceId, scene.name('q'), {
      wait: true,
      expiresAt: new Date(soonMs).toISOString(),
    });
    await new Promise((resolve) => setTimeout(resolve, soonMs - Date.now() + 50));
    release();
    expect((await first).outcome).toBe('advanced');
    await expectRefused(await queued, 'expired');
    expect(witness.effects(instanceId)).toHaveLength(1);
  });

  test('for an instance that was never started is not_found', async () => {
    const receipt = await scene.cluster.advance('nobody', scene.name('q'));
    expect(receipt).toMatchObject({ outcome: 'not_found', holder: null, nextCellId: null });
    await expectRefused(receipt, 'not_found');
  });

  test('for an instance that is started later may ask again under the same id', async () => {
    const { cluster, witness } = scene;
    const [instanceId, requestId] = [scene.name('i'), scene.name('q')];
    expect((await cluster.advance(instanceId, requestId)).outcome).toBe('not_found');
    await cluster.start(instanceId, 'three', { witness: witness.url });
    expect((await cluster.advance(instanceId, requestId)).outcome).toBe('completed');
  });
});

describe('a definite failure', () => {
  test('halts the instance, and a halted instance stays so', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('failing');
    witness.answerWith(instanceId, 'fails', { status: 500, body: { sorry: 'broken' } });
    const receipt = await cluster.advance(instanceId, scene.name('q'));
    expect(receipt).toMatchObject({
      outcome: 'halted',
      nextCellId: 'fails',
      error: { code: 'halted' },
    });
    expect(receipt.error?.message).toMatch(/fails.*failed once.*500/);
    expect(await scene.story(instanceId)).toEqual(['started fails 1', 'failed fails 1']);
    expect((await cluster.status(instanceId)).status).toBe('halted');
    const again = await cluster.advance(instanceId, scene.name('q'));
    expect(again).toMatchObject({ outcome: 'halted', steps: [] });
    expect(witness.effects(instanceId)).toHaveLength(1);
  });

  test('is retried under a new idempotency key each time', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('retried');
    const sorry = { status: 503, body: {} };
    witness.answerWith(instanceId, 'tried', sorry, sorry);
    const receipt = await cluster.advance(instanceId, scene.name('q'), { maxCells: 1 });
    expect(receipt).toMatchObject({ outcome: 'advanced', nextCellId: 'next' });
    expect(await scene.story(instanceId)).toEqual([
      'started tried 1',
      'failed tried 1',
      'started tried 2',
      'failed tried 2',
      'started tried 3',
      'completed tried 3',
    ]);
    expect(witness.effects(instanceId).map(({ key }) => key)).toEqual(
      [1, 2, 3].map((run) => `${instanceId}/tried/${run}`),
    );
  });

  test('halts once its retries are used up', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('retried');
    witness.answerWith(
      instanceId,
      'tried',
      ...Array.from({ length: 9 }, () => ({ status: 503, body: {} })),
    );
    const receipt = await cluster.advance(instanceId, scene.name('q'));
    expect(receipt).toMatchObject({ outcome: 'halted', nextCellId: 'tried' });
    expect(witness.effects(instanceId)).toHaveLength(3);
    expect((await cluster.advance(instanceId, scene.name('q'))).outcome).toBe('halted');
    expect(witness.effects(instanceId)).toHaveLength(3);
  });

  test('that was predicted passes, by status, by exit code and by error', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('predicted');
    witness.answerWith(instanceId, 'refused', { status: 409, body: { code: 'exists' } });
    const receipt = await cluster.advance(instanceId, scene.name('q'));
    expect(receipt.outcome).toBe('completed');
    expect(await scene.story(instanceId)).toEqual([
      'started refused 1',
      'completed refused 1',
      'started exits 1',
      'completed exits 1',
      'satisfied seen 1',
    ]);
  });

  test('is what a predicted failure becomes when it does not come', async () => {
    const { cluster } = scene;
    const instanceId = await scene.instance('predicted');
    const receipt = await cluster.advance(instanceId, scene.name('q'));
    expect(receipt).toMatchObject({ outcome: 'halted', nextCellId: 'refused' });
  });
});

describe('a time-out', () => {
  test('is an interruption, and a doubt for a hold cell, which a decision with an output settles', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('slow');
    witness.holdBack(instanceId, 'waits');
    const receipt = await cluster.advance(instanceId, scene.name('q'));
    expect(receipt).toMatchObject({
      outcome: 'in_doubt',
      nextCellId: 'waits',
      inDoubt: { cellId: 'waits', attempt: 1, reason: 'timeout' },
    });
    expect(await scene.story(instanceId)).toEqual([
      'started waits 1',
      'interrupted waits 1 timeout',
    ]);
    const decide = (body: object): Promise<Record<string, unknown>> =>
      cluster.request(cluster.subject('decide', instanceId), {
        agentId: 'person',
        cellId: 'waits',
        attempt: 1,
        as: 'succeeded',
        reason: 'seen on the bill',
        ...body,
      });
    // A decision names the attempt that it answers.
    expect(await decide({ attempt: 2 })).toMatchObject({ error: { code: 'conflict' } });
    expect(await decide({ cellId: 'after' })).toMatchObject({ error: { code: 'conflict' } });
    expect(await decide({ output: { bill: 7 } })).toEqual({ instanceId, seq: 3, as: 'succeeded' });
    expect(await decide({ reason: 'again' })).toMatchObject({ error: { code: 'conflict' } });
    expect((await cluster.advance(instanceId, scene.name('q'))).outcome).toBe('completed');
    const { cells } = await cluster.status(instanceId);
    expect(cells[0]).toMatchObject({ cellId: 'waits', state: 'satisfied', output: { bill: 7 } });
    expect(witness.effects(instanceId, 'waits')).toHaveLength(1);
    expect(witness.effects(instanceId, 'after')).toHaveLength(1);
  });

  test('of a rerun cell is run again under the same key', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('slowAgain');
    const release = witness.holdBack(instanceId, 'waits');
    const answer = cluster.advance(instanceId, scene.name('q'));
    await witness.arrived(instanceId, 'waits', 2);
    release();
    expect((await answer).outcome).toBe('completed');
    const story = await scene.story(instanceId);
    expect(story.slice(0, 4)).toEqual([
      'started waits 1',
      'interrupted waits 1 timeout',
      'decided waits 1 rerun by @policy',
      'started waits 2',
    ]);
    expect(new Set(witness.effects(instanceId).map(({ key }) => key))).toEqual(
      new Set([`${instanceId}/waits/1`]),
    );
  });

  test('decided as failed halts; decided as rerun runs again', async () => {
    const { cluster, witness } = scene;
    for (const as of ['failed', 'rerun'] as const) {
      const instanceId = await scene.instance('slow');
      const release = witness.holdBack(instanceId, 'waits');
      expect((await cluster.advance(instanceId, scene.name('q'))).outcome).toBe('in_doubt');
      const body = { agentId: 'person', cellId: 'waits', attempt: 1, as, reason: 'looked' };
      expect(await cluster.request(cluster.subject('decide', instanceId), body)).toEqual({
        instanceId,
        seq: 3,
        as,
      });
      release();
      const next = await cluster.advance(instanceId, scene.name('q'));
      expect(next.outcome).toBe(as === 'failed' ? 'halted' : 'completed');
      expect(witness.effects(instanceId, 'waits')).toHaveLength(as === 'failed' ? 1 : 2);
    }
  });
});

describe('an assert', () => {
  test('that is false halts with refuted, for good', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('refuting');
    const receipt = await cluster.advance(instanceId, scene.name('q'));
    expect(receipt).toMatchObject({ outcome: 'halted', nextCellId: 'check' });
    expect(receipt.error?.message).toContain('refuted');
    expect(await scene.story(instanceId)).toEqual([
      'started one 1',
      'completed one 1',
      'refuted check 1',
    ]);
    const rows = await cluster.rows(instanceId);
    expect(rows.at(-1)?.body).toEqual({
      checks: [{ cell: 'one', pointer: '/count', equals: 2, actual: 1, held: false }],
    });
    expect((await cluster.advance(instanceId, scene.name('q'))).outcome).toBe('halted');
    expect(witness.effects(instanceId, 'never')).toEqual([]);
  });
});

describe('effects of other kinds', () => {
  test('a handler of LEASEHOLD_HANDLERS is given its token, key, attempt, inputs and earlier outputs', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('handled');
    const receipt = await cluster.advance(instanceId, scene.name('q'));
    expect(receipt).toMatchObject({ outcome: 'halted', nextCellId: 'missing' });
    expect(receipt.error?.message).toContain('nobody');
    const [first, second] = witness.effects(instanceId);
    const [started] = await cluster.rows(instanceId);
    expect(first).toMatchObject({
      key: `${instanceId}/first/1`,
      token: started?.fencing_token,
      attempt: 1,
      body: { instanceId, cellId: 'first', inputs: { witness: witness.url }, outputs: {} },
    });
    // What one handler does to its arguments is nobody else's concern.
    expect(second?.body).toMatchObject({
      inputs: { witness: witness.url },
      outputs: { first: { status: 201, attempt: 1 } },
    });
    const { cells } = await cluster.status(instanceId);
    expect(cells.map(({ cellId, state }) => [cellId, state])).toEqual([
      ['first', 'satisfied'],
      ['vandal', 'satisfied'],
      ['second', 'satisfied'],
      ['throws', 'satisfied'],
      ['missing', 'failed'],
    ]);
  });

  test('a command is given its token, key and attempt, and its answer is its output', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('commanded');
    const receipt = await cluster.advance(instanceId, scene.name('q'));
    expect(receipt.outcome).toBe('completed');
    const [started] = await cluster.rows(instanceId);
    const key = `${instanceId}/one/1`;
    expect(witness.effects(instanceId)).toEqual([
      expect.objectContaining({
        key,
        token: started?.fencing_token,
        attempt: 1,
        body: { inputs: { witness: witness.url }, outputs: {} },
      }),
    ]);
    expect((await cluster.status(instanceId)).cells[0]?.output).toEqual({ key, count: 1 });
  });
});
