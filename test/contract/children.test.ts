import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { childrenOf, holdChildren, untilDue, untilStatus } from '../harness/family.ts';
import { eventually } from '../harness/replicas.ts';
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
    const how = { cellId: 'all', childCell: 'deploy', count: regions.length };
    const held = holdChildren(witness, 'fan-1', how);
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
    // Nobody asks it.
    expect(await untilStatus(cluster, 'fan-1-all-3', 'running')).toMatchObject({
      unattended: true,
      parent: { instanceId: 'fan-1', cellId: 'all', n: 3 },
    });

    held.release(2);
    await untilStatus(cluster, 'fan-1-all-2', 'completed');
    const parent = await cluster.status('fan-1');
    expect(parent).toMatchObject({ children: { cellId: 'all', ended: 1, total: 5 } });
    expect(parent).not.toHaveProperty('due');
    expect(await cluster.advance('fan-1', 'fan-1-b')).toMatchObject({
      outcome: 'parked',
      children: { cellId: 'all', ended: 1, total: 5 },
    });
    held.releaseAll();
    // The parent is attended.
    await untilDue(cluster, 'fan-1');
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
    const { cluster, witness } = scene;
    const how = { cellId: 'all', childCell: 'deploy', count: 2 };
    const held = holdChildren(witness, 'listed', how);
    await cluster.start('listed', 'fan', { witness: witness.url, regions: ['x', 'y'] });
    await cluster.advance('listed', 'listed-a');
    for (const n of [0, 1]) await untilStatus(cluster, `listed-all-${n}`, 'running');
    const json = await cluster.cli(['list', '--parent', 'listed', '--json']);
    const lines = json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(lines).toEqual([
      expect.objectContaining({
        instanceId: 'listed-all-0',
        status: 'running',
        parent: { instanceId: 'listed', cellId: 'all', n: 0 },
      }),
      expect.objectContaining({ instanceId: 'listed-all-1' }),
    ]);
    const limited = ['list', '--parent', 'listed', '--limit', '1', '--status', 'running'];
    const text = await cluster.cli(limited);
    expect(text.stdout).toMatch(/listed-all-0 .*\blisted\b/);
    expect(text.stderr).toContain('--parent listed --after listed-all-0');
    const status = await cluster.cli(['status', 'listed-all-0']);
    expect(status.stdout).toContain('started by cell all of listed, element 0');
    const parent = await cluster.cli(['status', 'listed']);
    expect(parent.stdout).toContain('all waits for its 2 instances to end: 0 of 2 have');
    expect(parent.stdout).toContain('leasehold list --parent listed');
    held.releaseAll();
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
    await untilDue(cluster, 'deep');
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
    await cluster.start('itself', 'itself');
    expect(await cluster.advance('itself', 'itself-q')).toMatchObject({ outcome: 'parked' });
    const id = `itself${'-again'.repeat(10)}`;
    await eventually(async () => (await cluster.rows(id))[0]);
    const [row] = await cluster.rows(id);
    expect(row).toMatchObject({
      kind: 'refuted',
      body: { error: expect.stringContaining('has 10 instances above it') },
    });
    expect(await cluster.status(id)).toMatchObject({ status: 'halted' });
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
    await untilDue(cluster, 'early-1');
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
