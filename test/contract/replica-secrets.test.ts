import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { eventually, TestCluster } from '../harness/replicas.ts';
import { keysUnder } from './etcd-gateway.ts';

describe('secrets of replicas', () => {
  it('are used with their new value after a file was replaced, without a restart', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'leasehold-secrets-'));
    const put = async (value: string): Promise<void> => {
      await writeFile(join(dir, '.KEY'), value);
      await rename(join(dir, '.KEY'), join(dir, 'KEY'));
    };
    await put('the-first-key');
    const cluster = await TestCluster.start({ replicas: 1, env: { LEASEHOLD_SECRETS_DIR: dir } });
    try {
      const script = `
        const { length } = process.env.KEY;
        console.log(JSON.stringify({ length, key: process.env.KEY, former: 'the-first-key' }));`;
      const exec = {
        command: [process.execPath, '-e', script],
        env: { KEY: '${secrets.KEY}' },
      };
      await cluster.pushRunbook({ runbook: 'uses', version: 1, cells: [{ id: 'a', exec }] });
      const outputOf = async (instanceId: string): Promise<unknown> => {
        await cluster.start(instanceId, 'uses');
        await cluster.advance(instanceId, `q-${instanceId}`);
        return (await cluster.rows(instanceId)).at(-1)?.body['output'];
      };
      const redacted = { key: '[secret KEY]', former: '[secret KEY]' };
      expect(await outputOf('before')).toEqual({ length: 13, ...redacted });
      await put('the-second-key');
      await cluster.replica('a').logged(/read a secret/);
      expect(await outputOf('after')).toEqual({ length: 14, ...redacted });
    } finally {
      await cluster.stop();
      await rm(dir, { recursive: true });
    }
  });

  it('are a reason to hand an instance to a replica that has them, and no failure', async () => {
    const cluster = await TestCluster.start({ replicas: 1 });
    try {
      const exec = { command: ['true'], env: { KEY: '${secrets.KEY}' } };
      await cluster.pushRunbook({ runbook: 'uses', version: 1, cells: [{ id: 'a', exec }] });
      await cluster.start('i', 'uses');
      expect(await cluster.advance('i', 'q-1')).toMatchObject({
        outcome: 'unavailable',
        error: { message: expect.stringContaining('this replica has no secret KEY') },
      });
      expect(await cluster.rows('i')).toEqual([]);
      expect((await fetch(`${cluster.replica('a').httpUrl}/readyz`)).status).toBe(200);
      const b = await cluster.startReplica('b', { LEASEHOLD_SECRET_KEY: 'a-secret-key' });
      const prefix = `/leasehold/${cluster.namespace}/replicas/`;
      const records = await keysUnder(cluster.servers.etcdUrls[0], prefix);
      expect(records.map(({ value }) => value)).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ replicaId: b.replicaId, effectSecrets: ['KEY'] }),
          expect.objectContaining({ name: 'a', effectSecrets: [] }),
        ]),
      );
      // The note that nobody can run it may still count at one of them.
      const receipt = await eventually(async () => {
        const answered = await cluster.advance('i', 'q-1');
        return answered.outcome === 'unavailable' ? undefined : answered;
      });
      expect(receipt).toMatchObject({
        outcome: 'completed',
        holder: { replicaId: b.replicaId },
      });
    } finally {
      await cluster.stop();
    }
  });

  it('that are too short keep a replica from starting, which names them and not their value', async () => {
    const cluster = await TestCluster.start({});
    try {
      const { code, stderr } = await cluster.cli(['advancer'], { LEASEHOLD_SECRET_KEY: 'hunter2' });
      expect(code).toBe(2);
      expect(stderr).toContain('LEASEHOLD_SECRET_KEY is shorter than 8 bytes');
      expect(stderr).not.toContain('hunter2');
    } finally {
      await cluster.stop();
    }
  });
});
