import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { MOVES } from '../../tools/chaos/hostile/moves.ts';
import type { ChaosRecord } from '../../tools/chaos/record.ts';
import { MAIN } from '../harness/child-process.ts';
import { eventually, TestCluster } from '../harness/replicas.ts';

/*
 * `leasehold chaos` as a user runs it: a short run that must pass, and a run of the same shipped
 * program with tampered evidence, which must be caught by name.
 */

/** Faults that fit into a short run. */
const OWN_MIX = 'process,network,postgres_killed,etcd_leader_killed';

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'leasehold-chaos-test-'));
});

afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

interface Summary {
  verdict: string;
  faults: { made: number; byKind: Record<string, number> };
  counts: { acknowledged: number; effects: number; stuck: number };
  breaches: number;
}

interface Ran {
  code: number | null;
  stderr: string;
  events: Record<string, unknown>[];
  summary: Summary | undefined;
}

async function chaos(args: string[], env: NodeJS.ProcessEnv = process.env): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, 'chaos', '--json', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const events = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const summary = events.find(({ kind }) => kind === 'summary') as unknown as Summary | undefined;
  return { code, stderr, events, summary };
}

async function recordIn(folder: string): Promise<ChaosRecord> {
  return JSON.parse(await readFile(join(folder, 'record.json'), 'utf8')) as ChaosRecord;
}

describe('leasehold chaos', () => {
  it('passes a short run with a hostile client, and leaves record, witness and report', async () => {
    const out = join(dir, 'own');
    const args =
      `--duration 22s --seed 4 --faults ${OWN_MIX} --agents 12 --instances 24 --hostile 300`.split(
        ' ',
      );
    const ran = await chaos([...args, '--out', out]);
    expect(ran).toMatchObject({
      code: 0,
      summary: { verdict: 'passed', breaches: 0, counts: { stuck: 0 } },
    });
    const record = await recordIn(out);
    expect(Object.keys(ran.summary?.faults.byKind ?? {}).length).toBeGreaterThanOrEqual(4);
    expect(record.counts.acknowledged).toBeGreaterThan(50);
    expect(record.counts.effects).toBeGreaterThan(50);
    expect(record.breaches).toEqual([]);
    expect(record.command).toContain('--seed 4');
    expect(record.command).toContain('--hostile 300');
    const { hostile, latencies } = record;
    expect(hostile?.sent).toBeGreaterThan(2_000);
    expect(hostile?.heard).toBeGreaterThan(1_000);
    // It tried to forge receipts, and the server did not let it.
    expect(hostile?.refused).toBeGreaterThan(0);
    expect(Object.keys(hostile?.byMove ?? {})).toEqual(
      expect.arrayContaining(MOVES.map(({ name }) => name)),
    );
    expect(latencies?.['start']?.count).toBeGreaterThan(10);
    // A check that examined nothing proves nothing.
    for (const name of [
      'effect-seen-once',
      'intent-before-effect',
      'told-what-is-recorded',
      'stuck-instance',
    ]) {
      const check = record.checks.find((one) => one.name === name);
      expect(check?.looked?.count).toBeGreaterThan(50);
    }
    expect(record.replicas.length).toBeGreaterThanOrEqual(3);
    const witnessed = (await readFile(join(out, 'witness.jsonl'), 'utf8')).trim().split('\n');
    expect(witnessed).toHaveLength(record.counts.effects);
    expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('</html>');
  });

  it('a duplicate effect and a forged row in a running stack are caught by name', async () => {
    const cluster = await TestCluster.start({ replicas: 2 });
    const superuser = new Pool({ connectionString: cluster.servers.superuserUrl, max: 1 });
    try {
      const out = join(dir, 'attached');
      const pids = cluster.replicas.flatMap(({ pid }) => ['--replica-pid', String(pid)]);
      const args =
        '--attach --duration 7s --seed 16 --faults sigstop,cut_etcd --agents 6 --instances 8'.split(
          ' ',
        );
      const running = chaos([...args, ...pids, '--out', out], cluster.env);
      const duplicated = await eventually(async () => {
        const found = await cluster.app.query<{
          instance_id: string;
          key: string;
          token: string;
          witness: string;
        }>(
          `select e.instance_id, e.body ->> 'idempotencyKey' as key, e.fencing_token as token, i.inputs ->> 'witness' as witness
             from leasehold.executions e join leasehold.instances i using (instance_id)
             where e.kind = 'started' and exists (select from leasehold.executions c
               where c.instance_id = e.instance_id and c.seq = e.seq + 1 and c.kind = 'completed') limit 1`,
        );
        return found.rows[0];
      });
      const headers = {
        'idempotency-key': duplicated.key,
        'leasehold-fencing-token': duplicated.token,
      };
      await fetch(`${duplicated.witness}/effects`, { method: 'POST', headers });
      const forged = await eventually(async () => {
        const found = await cluster.app.query<{ instance_id: string }>(
          `select instance_id from leasehold.requests
             where receipt ->> 'outcome' = 'completed' and instance_id <> $1 and fencing_token > 1 limit 1`,
          [duplicated.instance_id],
        );
        return found.rows[0];
      });
      // Only a superuser can do this: it bypasses the guard's triggers.
      await superuser.query('set session_replication_role = replica');
      await superuser.query(
        `insert into leasehold.executions (instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt)
           select instance_id, seq + 1, fencing_token - 1, 'nobody-00000000', 'started', 'forged', 1
             from leasehold.executions where instance_id = $1 order by seq desc limit 1`,
        [forged.instance_id],
      );
      const ran = await running;
      expect(ran).toMatchObject({ code: 1, summary: { verdict: 'breached' } });
      const record = await recordIn(out);
      const caught = (instanceId: string): string[] =>
        record.breaches
          .filter((breach) => breach.instanceId === instanceId)
          .map(({ check }) => check);
      expect(caught(duplicated.instance_id)).toContain('effect-seen-once');
      expect(caught(forged.instance_id)).toContain('tokens-never-go-back');
      // No other instance was breached.
      const breached = new Set(record.breaches.map(({ instanceId }) => instanceId));
      expect(breached).toEqual(new Set([duplicated.instance_id, forged.instance_id]));
      // Faults that cannot be injected there are reported as skipped; the others were injected.
      const skipped = record.faults.filter((fault) => fault.skipped !== undefined);
      expect(new Set(skipped.map(({ kind }) => kind))).toEqual(new Set(['cut_etcd']));
      expect(ran.summary?.faults.byKind['sigstop']).toBeGreaterThan(0);
    } finally {
      await superuser.end();
      await cluster.stop();
    }
  });

  it('exits 5 without a stack, and 2 for an invalid option', async () => {
    const nowhere = {
      ...process.env,
      LEASEHOLD_NATS_URLS: 'nats://127.0.0.1:1',
      LEASEHOLD_DATABASE_URL: 'postgres://leasehold_app@127.0.0.1:1/none',
    };
    const gone = await chaos(['--attach', '--duration', '1s', '--out', join(dir, 'gone')], nowhere);
    expect(gone.code).toBe(5);
    const unknown = await chaos(['--faults', 'sigkil']);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('did you mean sigkill');
    const attached = await chaos(['--attach', '--hostile']);
    expect(attached.code).toBe(2);
    expect(attached.stderr).toContain('--hostile needs a stack');
    const unattached = await chaos(['--replica-pid', '4711']);
    expect(unattached.code).toBe(2);
    expect(unattached.stderr).toContain('--attach');
  });
});
