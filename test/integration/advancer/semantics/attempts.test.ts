import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { httpCell, runbookOf, Scene } from '../../../harness/scene.ts';

const here = (name: string): string =>
  fileURLToPath(new URL(`../../../harness/${name}`, import.meta.url));
const EFFECT = [process.execPath, here('effect.mjs'), '${inputs.witness}'];

const RUNBOOKS = [
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

describe('a definite failure', () => {
  test('halts the instance, and a halted instance stays halted', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('failing');
    witness.answerWith(instanceId, 'fails', { status: 422, body: { sorry: 'broken' } });
    const receipt = await cluster.advance(instanceId, scene.name('q'));
    expect(receipt).toMatchObject({
      outcome: 'halted',
      nextCellId: 'fails',
      error: { code: 'halted' },
    });
    expect(receipt.error?.message).toMatch(/fails.*failed once.*422/);
    expect(await scene.story(instanceId)).toEqual(['started fails 1', 'failed fails 1']);
    expect((await cluster.status(instanceId)).status).toBe('halted');
    const again = await cluster.advance(instanceId, scene.name('q'));
    expect(again).toMatchObject({ outcome: 'halted', steps: [] });
    expect(witness.effects(instanceId)).toHaveLength(1);
  });

  test('is retried under a new idempotency key each time', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('retried');
    const sorry = { status: 422, body: {} };
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
      ...Array.from({ length: 9 }, () => ({ status: 422, body: {} })),
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

  test('is what a success becomes when a failure was predicted', async () => {
    const { cluster } = scene;
    const instanceId = await scene.instance('predicted');
    const receipt = await cluster.advance(instanceId, scene.name('q'));
    expect(receipt).toMatchObject({ outcome: 'halted', nextCellId: 'refused' });
  });
});

describe('a time-out', () => {
  test('is an interruption, so a hold cell is in doubt until a decision with an output settles it', async () => {
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
        reason: 'seen on the invoice',
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

  test('of a rerun cell runs it again under the same key', async () => {
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

describe('an effect other than HTTP', () => {
  test('a handler of LEASEHOLD_HANDLERS receives its token, key, attempt, inputs and earlier outputs', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('handled');
    const receipt = await cluster.advance(instanceId, scene.name('q'));
    // The last cell's handler is on no replica: nothing is written about it.
    expect(receipt).toMatchObject({ outcome: 'unavailable', nextCellId: 'missing' });
    expect(receipt.error?.message).toContain('no handler "nobody"');
    expect((await cluster.rows(instanceId)).map(({ cell_id }) => cell_id)).not.toContain('missing');
    const [first, second] = witness.effects(instanceId);
    const [started] = await cluster.rows(instanceId);
    expect(first).toMatchObject({
      key: `${instanceId}/first/1`,
      token: started?.fencing_token,
      attempt: 1,
      body: { instanceId, cellId: 'first', inputs: { witness: witness.url }, outputs: {} },
    });
    // What one handler does to its arguments does not affect the next one.
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
      ['missing', 'pending'],
    ]);
  });

  test('a command receives its token, key and attempt, and the JSON that it prints is its output', async () => {
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
