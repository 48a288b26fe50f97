import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { advanceChildren, childrenOf } from '../harness/family.ts';
import { httpCell, Scene } from '../harness/scene.ts';

const CHECK = { id: 'note', assert: [{ input: '/region', exists: true }] };
const RUNBOOKS = [
  { runbook: 'region', version: 1, inputs: ['witness', 'region'], cells: [httpCell('deploy')] },
  { runbook: 'quiet', version: 1, inputs: ['region'], cells: [CHECK] },
  {
    runbook: 'fan',
    version: 1,
    inputs: ['witness', 'regions'],
    cells: [
      {
        id: 'all',
        run: {
          runbook: 'region',
          each: '${inputs.regions}',
          inputs: { witness: '${inputs.witness}', region: '${each}' },
        },
      },
      {
        id: 'check',
        assert: [{ cell: 'all', pointer: '/instances/0/status', equals: 'completed' }],
      },
    ],
  },
  {
    runbook: 'one',
    version: 1,
    inputs: ['region'],
    cells: [{ id: 'go', run: { runbook: 'quiet', inputs: { region: '${inputs.region}' } } }],
  },
  {
    runbook: 'nested',
    version: 1,
    inputs: [],
    cells: [
      { id: 'ones', run: { runbook: 'one', each: ['a', 'b'], inputs: { region: '${each}' } } },
    ],
  },
  {
    runbook: 'itself',
    version: 1,
    inputs: [],
    cells: [{ id: 'again', run: { runbook: 'itself' } }],
  },
  {
    runbook: 'wrong',
    version: 1,
    inputs: [],
    cells: [{ id: 'bad', run: { runbook: 'quiet', each: [1, 2], inputs: { regoin: '${each}' } } }],
  },
  { runbook: 'early', version: 1, inputs: [], cells: [{ id: 'go', run: { runbook: 'later' } }] },
];

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start({ replicas: 3 }, RUNBOOKS);
});
afterAll(() => scene?.stop());

describe('a run cell', () => {
  it('starts one instance per element, parks until all have ended, and has their outputs', async () => {
    const { cluster, witness } = scene;
    const regions = ['eu', 'us', 'ap', 'sa', 'af'];
    await cluster.start('fan-1', 'fan', { witness: witness.url, regions });
    const parked = await cluster.advance('fan-1', 'fan-1-a');
    expect(parked).toMatchObject({
      outcome: 'parked',
      steps: [],
      nextCellId: 'all',
      children: { cellId: 'all', ended: 0, total: 5 },
    });
    const children = await childrenOf(cluster, 'fan-1');
    expect(children).toEqual(
      regions.map((region, n) => ({
        instance_id: `fan-1-all-${n}`,
        runbook_id: 'region',
        version: 1,
        inputs: { witness: witness.url, region },
        agent_id: 'tester',
        parent_cell_id: 'all',
        parent_n: n,
        parent_attempt: 1,
        parent_seq: 0,
        parent_token: parked.holder?.fencingToken,
      })),
    );
    expect(await cluster.status('fan-1')).toMatchObject({
      status: 'parked',
      children: { cellId: 'all', ended: 0, total: 5 },
      cells: [{ state: 'waiting' }, { state: 'pending' }],
    });
    expect(await cluster.status('fan-1-all-3')).toMatchObject({
      status: 'ready',
      parent: { instanceId: 'fan-1', cellId: 'all', n: 3 },
    });

    await cluster.advance('fan-1-all-2', 'fan-1-child');
    expect(await cluster.status('fan-1')).toMatchObject({
      children: { cellId: 'all', ended: 1, total: 5 },
    });
    expect(await cluster.advance('fan-1', 'fan-1-b')).toMatchObject({
      outcome: 'parked',
      children: { cellId: 'all', ended: 1, total: 5 },
    });
    await advanceChildren(cluster, 'fan-1', 'fan-1-rest');
    const done = await cluster.advance('fan-1', 'fan-1-c');
    expect(done).toMatchObject({ outcome: 'completed' });
    expect(done).not.toHaveProperty('children');
    const [row] = await cluster.rows('fan-1');
    expect(row).toMatchObject({ kind: 'satisfied', cell_id: 'all', attempt: 1 });
    expect(row?.body).toEqual({
      instances: regions.map((_, n) => ({
        instanceId: `fan-1-all-${n}`,
        status: 'completed',
        outputs: { deploy: expect.anything() },
      })),
    });
    for (const [n] of regions.entries()) expect(witness.effects(`fan-1-all-${n}`)).toHaveLength(1);
    expect(await childrenOf(cluster, 'fan-1')).toEqual(children);
  });

  it('lists what it started with --parent, and names the parent in the list', async () => {
    const { cluster } = scene;
    await cluster.start('listed', 'nested');
    await cluster.advance('listed', 'listed-a');
    const json = await cluster.cli(['list', '--parent', 'listed', '--json']);
    const lines = json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(lines).toEqual([
      expect.objectContaining({
        instanceId: 'listed-ones-0',
        status: 'ready',
        parent: { instanceId: 'listed', cellId: 'ones', n: 0 },
      }),
      expect.objectContaining({ instanceId: 'listed-ones-1' }),
    ]);
    const limited = ['list', '--parent', 'listed', '--limit', '1', '--status', 'ready'];
    const text = await cluster.cli(limited);
    expect(text.stdout).toMatch(/listed-ones-0 .*\blisted\b/);
    expect(text.stderr).toContain('--parent listed --after listed-ones-0');
    const status = await cluster.cli(['status', 'listed-ones-0']);
    expect(status.stdout).toContain('started by cell ones of listed, element 0');
    const parent = await cluster.cli(['status', 'listed']);
    expect(parent.stdout).toContain('ones waits for its 2 instances to end: 0 of 2 have');
    expect(parent.stdout).toContain('leasehold list --parent listed');
  });

  it('is satisfied at once for an empty list', async () => {
    const { cluster, witness } = scene;
    await cluster.start('none', 'fan', { witness: witness.url, regions: [] });
    const receipt = await cluster.advance('none', 'none-a');
    // The assert that follows looks for a first instance.
    expect(receipt).toMatchObject({ outcome: 'halted', nextCellId: 'check' });
    const [row] = await cluster.rows('none');
    expect(row).toMatchObject({ kind: 'satisfied', cell_id: 'all', body: { instances: [] } });
    expect(await childrenOf(cluster, 'none')).toEqual([]);
  });

  it('may start instances that start others', async () => {
    const { cluster } = scene;
    await cluster.start('deep', 'nested');
    await cluster.advance('deep', 'deep-a');
    for (const n of [0, 1]) {
      const child = `deep-ones-${n}`;
      expect(await cluster.advance(child, `${child}-a`)).toMatchObject({
        outcome: 'parked',
        children: { cellId: 'go', ended: 0, total: 1 },
      });
      expect(await cluster.advance(`${child}-go`, `${child}-b`)).toMatchObject({
        outcome: 'completed',
      });
      expect(await cluster.advance(child, `${child}-c`)).toMatchObject({ outcome: 'completed' });
    }
    expect(await cluster.advance('deep', 'deep-b')).toMatchObject({ outcome: 'completed' });
    const [row] = await cluster.rows('deep');
    expect(row?.body).toMatchObject({
      instances: [
        {
          outputs: {
            go: { instances: [{ instanceId: 'deep-ones-0-go', outputs: { note: {} } }] },
          },
        },
        { instanceId: 'deep-ones-1' },
      ],
    });
  });

  it('ends a runbook that runs itself at ten instances above', async () => {
    const { cluster } = scene;
    let id = 'itself';
    await cluster.start(id, 'itself');
    for (let depth = 0; depth < 10; depth += 1) {
      expect(await cluster.advance(id, `${id}-q`)).toMatchObject({ outcome: 'parked' });
      id = `${id}-again`;
    }
    const last = await cluster.advance(id, `${id}-q`);
    expect(last).toMatchObject({
      outcome: 'halted',
      error: { message: expect.stringContaining('has 10 instances above it') },
    });
    expect(await childrenOf(cluster, id)).toEqual([]);
  });

  it('is refuted with every problem if its inputs are not what the runbook takes', async () => {
    const { cluster } = scene;
    await cluster.start('wrong-1', 'wrong');
    const receipt = await cluster.advance('wrong-1', 'wrong-1-a');
    expect(receipt.outcome).toBe('halted');
    for (const part of ['quiet version 1', 'element 0', 'element 1', 'region', 'regoin'])
      expect(receipt.error?.message).toContain(part);
    expect(await childrenOf(cluster, 'wrong-1')).toEqual([]);
  });

  it('is refuted if there is no such runbook, and starts it when it is decided to run again', async () => {
    const { cluster } = scene;
    await cluster.start('early-1', 'early');
    expect(await cluster.advance('early-1', 'early-1-a')).toMatchObject({
      outcome: 'halted',
      error: { message: expect.stringContaining('there is no runbook later') },
    });
    await cluster.pushRunbook({
      runbook: 'later',
      version: 7,
      inputs: [],
      cells: [{ id: 'x', exec: { command: ['true'] } }],
    });
    const decided = await cluster.request(cluster.subject('decide', 'early-1'), {
      agentId: 'judge',
      cellId: 'go',
      attempt: 1,
      as: 'rerun',
      reason: 'pushed it',
    });
    expect(decided).toMatchObject({ as: 'rerun' });
    expect(await cluster.advance('early-1', 'early-1-b')).toMatchObject({ outcome: 'parked' });
    const [child] = await childrenOf(cluster, 'early-1');
    expect(child).toMatchObject({ instance_id: 'early-1-go-r2', version: 7, parent_attempt: 2 });
    await advanceChildren(cluster, 'early-1', 'early-1-c');
    expect(await cluster.advance('early-1', 'early-1-d')).toMatchObject({ outcome: 'completed' });
  });

  it('gives an instance another id if an agent has started one under its own', async () => {
    const { cluster } = scene;
    await cluster.start('clash-ones-1', 'one', { region: 'mine' });
    await cluster.start('clash', 'nested');
    await cluster.advance('clash', 'clash-a');
    const [first, second] = await childrenOf(cluster, 'clash');
    expect(first?.instance_id).toBe('clash-ones-0');
    expect(second?.instance_id).toMatch(/^clash-ones-1-[0-9a-f]{32}$/);
    expect(await cluster.status('clash-ones-1')).not.toHaveProperty('parent');
  });
});

describe('an agent', () => {
  it('cannot start an instance as a child', async () => {
    const { cluster } = scene;
    const start = {
      instanceId: 'forged',
      runbookId: 'quiet',
      inputs: { region: 'x' },
      agentId: 'a',
    };
    for (const field of ['parent', 'parentInstanceId', 'parent_instance_id']) {
      const reply = await cluster.request(cluster.subject('start'), { ...start, [field]: 'fan-1' });
      expect(reply).toMatchObject({ error: { code: 'invalid', field } });
    }
  });
});
