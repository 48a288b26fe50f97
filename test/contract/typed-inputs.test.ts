import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';

const DEPLOY = `runbook: deploy
version: 1
title: Deploy a service
onHalt: hold
inputs:
  service: {type: string, pattern: "^[a-z-]+$", description: What to deploy.}
  regions: {type: array, items: {type: string}, default: [eu]}
cells:
  - {id: show, exec: {command: [echo, "\${inputs.regions}"]}, output: json}
`;

let cluster: TestCluster;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'leasehold-typed-'));
  cluster = await TestCluster.start({ replicas: 1 });
  await push(DEPLOY);
});
afterAll(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true });
});

async function push(text: string): Promise<{ code: number | null; stdout: string }> {
  const file = join(folder, 'deploy.yaml');
  await writeFile(file, text);
  return cluster.cli(['runbook', 'push', file, '--json']);
}

function start(instanceId: string, inputs: object, version?: number): Promise<unknown> {
  const body = { instanceId, runbookId: 'deploy', inputs, agentId: 'tester' };
  return cluster.request(
    cluster.subject('start'),
    version === undefined ? body : { ...body, version },
  );
}

describe('start with typed inputs', () => {
  it('fills in a default before the instance is stored', async () => {
    expect(await start('d-1', { service: 'web' })).toMatchObject({ created: true });
    const { rows } = await cluster.app.query<{ inputs: object }>(
      `select inputs from leasehold.instances where instance_id = 'd-1'`,
    );
    expect(rows[0]?.inputs).toEqual({ service: 'web', regions: ['eu'] });
  });

  it('is the same start whether a default is left out or given', async () => {
    expect(await start('d-1', { service: 'web' })).toMatchObject({ created: false });
    expect(await start('d-1', { service: 'web', regions: ['eu'] })).toMatchObject({
      created: false,
    });
    expect(await start('d-1', { service: 'web', regions: ['us'] })).toMatchObject({
      error: { code: 'conflict' },
    });
    expect(await start('d-1', { service: 5 })).toMatchObject({ error: { code: 'conflict' } });
  });

  it('reports every problem at once, by field, and stores nothing', async () => {
    expect(await start('d-2', { regions: [1, 'eu', null], servcie: 'web' })).toEqual({
      error: {
        code: 'invalid',
        field: 'inputs.regions.0',
        // Postgres' jsonb orders the names.
        message:
          'inputs.regions.0: must be text; inputs.regions.2: must be text; ' +
          'inputs.service: is required; inputs.servcie: is not declared ' +
          '(inputs: regions, service); did you mean service?',
      },
    });
    const { rows } = await cluster.app.query(
      `select from leasehold.instances where instance_id = 'd-2'`,
    );
    expect(rows).toEqual([]);
  });

  it('keeps the defaults of the version that an instance was started with', async () => {
    const second = DEPLOY.replace('version: 1', 'version: 2').replace('[eu]', '[us]');
    expect((await push(second)).code).toBe(0);
    expect(await start('d-1', { service: 'web' })).toMatchObject({ version: 1, created: false });
    expect(await start('d-3', { service: 'web' })).toMatchObject({ version: 2, created: true });
    expect(await start('d-3', { service: 'web', regions: ['us'] }, 2)).toMatchObject({
      created: false,
    });
  });
});

describe('a stored version', () => {
  it.each([
    ['title', DEPLOY.replace('Deploy a service', 'Deploy it')],
    ['policy', DEPLOY.replace('onHalt: hold\n', '')],
    ['default', DEPLOY.replace('[eu]', '[us]')],
  ])('does not take another %s', async (_, text) => {
    const pushed = await push(text);
    expect(pushed.code).toBe(3);
    expect(JSON.parse(pushed.stdout)).toMatchObject({ result: 'conflict' });
    expect((await push(DEPLOY)).code).toBe(0);
  });
});
