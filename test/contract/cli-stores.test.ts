import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { doubt, gate, halt, post, push, two } from './runbooks.ts';
import * as shapes from './shapes.ts';
import { NATS_ONLY, runJson } from './command-line.ts';

let cluster: TestCluster;
let folder: string;

beforeAll(async () => {
  [cluster, folder] = await Promise.all([
    TestCluster.start({ replicas: 2 }),
    mkdtemp(join(tmpdir(), 'leasehold-cli-')),
  ]);
  await push(cluster, post, two, gate, doubt, halt);
});

afterAll(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true });
});

const run = (line: string, env: NodeJS.ProcessEnv = {}): ReturnType<typeof runJson> =>
  runJson(cluster, line, env);

describe('runbook', () => {
  it('lint needs no server; push, list and show keep a version unchanged', async () => {
    const file = join(folder, 'kept.json');
    const kept = { ...two, runbook: 'kept' };
    await writeFile(file, JSON.stringify(kept));
    const linted = await run(`runbook lint ${file}`, {
      ...NATS_ONLY,
      LEASEHOLD_NATS_URLS: 'nats://127.0.0.1:9',
    });
    expect(linted).toMatchObject({ code: 0 });
    expect(linted.lines).toHaveLength(1);
    const pushed = await run(`runbook push ${file}`);
    expect(pushed).toMatchObject({ code: 0, lines: [{ runbookId: 'kept', version: 1 }] });
    expect(await run(`runbook push ${file}`), 'the same again').toMatchObject({ code: 0 });
    const listed = await run('runbook list');
    expect(listed.code).toBe(0);
    expect(listed.lines).toEqual(
      expect.arrayContaining([expect.objectContaining({ runbookId: 'kept', version: 1 })]),
    );
    expect(listed.lines.length).toBeGreaterThanOrEqual(6);
    const shown = await run('runbook show kept');
    expect(shown).toMatchObject({
      code: 0,
      lines: [{ runbook: 'kept', version: 1, cells: kept.cells }],
    });
    await writeFile(file, JSON.stringify({ ...kept, cells: kept.cells.slice(0, 2) }));
    expect(await run(`runbook push ${file}`), 'other content').toMatchObject({ code: 3 });
    expect((await run('runbook show kept')).lines).toEqual(shown.lines);
  });

  it('lint and push exit 2 for a file that is not a runbook, and say where it is wrong', async () => {
    const file = join(folder, 'wrong.yaml');
    await writeFile(
      file,
      'runbook: wrong\nversion: 1\ncells:\n  - {id: both, prose: x, assert: []}\n',
    );
    for (const verb of ['lint', 'push']) {
      const ran = await run(`runbook ${verb} ${file}`);
      expect(ran.code, `of ${verb}`).toBe(2);
      expect(ran.stderr).toContain('wrong.yaml');
      expect(ran.stderr).toContain('both');
    }
    expect((await run('runbook show wrong')).code).toBe(3);
    expect((await run(`runbook lint ${join(folder, 'not-there.yaml')}`)).code).toBe(2);
  });
});

describe('the verbs that read the stores', () => {
  it('list prints one instance per line', async () => {
    await cluster.start('listed', 'two');
    await cluster.advance('listed', 'listed-1');
    const all = await run('list');
    expect(all.code).toBe(0);
    expect(all.lines).toContainEqual(
      expect.objectContaining({
        instanceId: 'listed',
        runbookId: 'two',
        version: 1,
        status: 'completed',
      }),
    );
    const statusOf = (lines: unknown[]) =>
      (lines as { instanceId: string; status: string }[]).map(({ instanceId, status }) => [
        instanceId,
        status,
      ]);
    // It reads the projection, which can be deleted and rebuilt from the log.
    await cluster.owner.query('delete from leasehold_projection.instances');
    expect((await run('list')).lines).toEqual([]);
    expect(await run('migrate --rebuild-projection')).toMatchObject({ code: 0 });
    expect(statusOf((await run('list')).lines)).toEqual(statusOf(all.lines));
  });

  it('leases and replicas print one line per key in etcd', async () => {
    await cluster.start('leased', 'two');
    const { holder } = await cluster.advance('leased', 'leased-1');
    const [leases, replicas] = await Promise.all([run('leases'), run('replicas')]);
    expect([leases.code, replicas.code]).toEqual([0, 0]);
    expect(leases.lines).toContainEqual(
      expect.objectContaining({ instanceId: 'leased', replicaId: holder?.replicaId }),
    );
    expect(replicas.lines).toHaveLength(2);
    for (const replica of cluster.replicas) {
      const { replicaId, name, pid, httpUrl } = replica;
      expect(replicas.lines).toContainEqual(
        expect.objectContaining({ replicaId, name, pid, httpUrl }),
      );
    }
  });

  it('exit 5 when their server is out of reach', async () => {
    const lines = ['list', 'runbook list', 'leases', 'replicas'];
    const ran = await Promise.all(lines.map((line) => run(line, NATS_ONLY)));
    expect(ran.map(({ code }) => code)).toEqual([5, 5, 5, 5]);
    for (const {
      lines: [reply],
    } of ran) {
      expect(shapes.read(shapes.ErrorReply, reply).error.code).toBe('unavailable');
    }
  });

  it('migrate exits 1 when it fails, and 0 when there is nothing to do', async () => {
    const failed = await run('migrate', {
      LEASEHOLD_OWNER_DATABASE_URL: cluster.env['LEASEHOLD_DATABASE_URL'],
    });
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('leasehold_app');
    expect(await run('migrate')).toMatchObject({ code: 0 });
  });
});
