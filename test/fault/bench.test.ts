import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ReplicaPool } from '../../tools/bench/replica-pool.ts';
import { COMPARED } from '../../tools/bench/compare/comparison.ts';
import type { ComparisonRecord } from '../../tools/bench/compare/run-comparison.ts';
import type { BenchRecord } from '../../tools/bench/record.ts';
import { closeWorkspace, openWorkspace } from '../../tools/stack/workspace.ts';
import { MAIN } from '../harness/child-process.ts';

/* `leasehold bench` as a user runs it, as briefly as possible. It checks that figures are measured,
 * never what they are. */

const ROOT = join(import.meta.dirname, '..', '..');

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'leasehold-bench-test-'));
});

afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

interface Ran {
  code: number | null;
  stderr: string;
  lines: Record<string, unknown>[];
}

async function bench(args: string[], interruptAt?: string): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, 'bench', '--json', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (interruptAt !== undefined && text.includes(interruptAt)) child.kill('SIGINT');
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const lines = stdout.split('\n').filter((line) => line !== '');
  return { code, stderr, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('leasehold bench', () => {
  it('measures product and baselines on its own stack, and writes a record and a report', async () => {
    const out = join(dir, 'short');
    const scenarios = ['--scenario', 'throughput,fresh,baselines,acquisition'];
    const ran = await bench([
      ...scenarios,
      '--agents',
      '2',
      '--duration',
      '400ms',
      '--held',
      '200',
      '--out',
      out,
    ]);
    expect(ran.stderr).not.toContain('FAILED');
    expect(ran.code).toBe(0);
    const figures = ran.lines.filter(({ kind }) => kind === 'figure');
    expect(figures).toHaveLength(6 + 4);
    const summary = ran.lines.at(-1) as unknown as BenchRecord & { kind: string };
    expect(summary).toMatchObject({
      kind: 'summary',
      ended: 'complete',
      failures: [],
      postgresSettings: { fsync: 'on', synchronous_commit: 'on' },
    });
    const subjects = (wanted: string) =>
      summary.figures.filter(({ part }) => part === wanted).map(({ subject }) => subject);
    expect(subjects('load').toSorted()).toEqual([
      'advisory_lock',
      'floor',
      'fresh',
      'held',
      'reservation',
      'routed_floor',
    ]);
    // 1, 32, 512 and 4,096 at once.
    expect(subjects('acquisition')).toHaveLength(4);
    for (const { values, ratios } of summary.figures) {
      expect(values['p99Ms']).toBeGreaterThanOrEqual(values['p50Ms'] ?? Infinity);
      expect(ratios['perS']?.['bestFloor']).toBeGreaterThan(0);
    }
    const record = JSON.parse(await readFile(join(out, 'bench.json'), 'utf8')) as BenchRecord;
    expect(record.figures).toEqual(summary.figures);
    expect(await readFile(join(out, 'bench.html'), 'utf8')).toContain('</html>');
  });

  it('ends cleanly when interrupted, with what was measured until then', async () => {
    const out = join(dir, 'interrupted');
    const ran = await bench(
      ['--scenario', 'failover', '--agents', '1', '--duration', '200ms', '--out', out],
      'trial 1',
    );
    expect(ran.code).toBe(0);
    expect(ran.lines.at(-1)).toMatchObject({ kind: 'summary', ended: 'broken_off' });
  });

  it('compares two builds round by round, and this build with itself', async () => {
    const out = join(dir, 'compare');
    const sizes = ['--rounds', '2', '--agents', '2', '--duration', '300ms'];
    const ran = await bench(['--compare', ROOT, ...sizes, '--out', out]);
    expect(ran.stderr).not.toContain('failed');
    expect(ran.code).toBe(0);
    expect(ran.lines.filter(({ kind }) => kind === 'round')).toHaveLength(2);
    const summary = ran.lines.at(-1) as unknown as ComparisonRecord & { kind: string };
    expect(summary).toMatchObject({ kind: 'summary', ended: 'complete' });
    expect(summary.before).toEqual(summary.after);
    expect(summary.compared.map(({ value }) => value)).toEqual([...COMPARED]);
    for (const { afterToBefore, sameToSame } of summary.compared) {
      expect(afterToBefore.ratios).toHaveLength(2);
      expect(afterToBefore.median).toBeGreaterThan(0);
      expect(sameToSame.median).toBeGreaterThan(0);
    }
    const record = JSON.parse(await readFile(join(out, 'compare.json'), 'utf8')) as typeof summary;
    expect(record.rounds).toEqual(summary.rounds);
  });

  it.each([
    [['--scenario', 'speed'], '--scenario'],
    [['--agents', '0'], '--agents'],
    [['--duration', 'soon'], '--duration'],
    [['--duration', '10ms'], '--duration'],
    [['--replicas', '40'], '--replicas'],
    [['--quick', '--full'], '--full'],
    [['--compare', '/nonexistent'], '--compare'],
    [['--compare', ROOT, '--quick'], '--compare'],
  ])('rejects %j and names the flag', async (args, flag) => {
    const ran = await bench(args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(flag);
  });
});

it('killing a pool also kills replicas that were not ready yet', async () => {
  const workspace = await openWorkspace();
  // Nothing listens there, so no replica becomes ready.
  const nowhere = '127.0.0.1:9';
  const pool = new ReplicaPool({
    namespace: 'pool-test',
    etcdUrl: `http://${nowhere}`,
    natsUrl: `nats://${nowhere}`,
    databaseUrl: `postgres://nobody@${nowhere}/nothing`,
    superuserUrl: `postgres://nobody@${nowhere}/nothing`,
    leaseTtlS: 5,
    dir,
    watchdog: workspace.watchdog,
    env: process.env,
  });
  try {
    const started = pool.start(2);
    started.catch(() => undefined);
    expect(pool.replicas).toEqual([]);
    await pool.kill();
    await expect(started).rejects.toThrow('exited before it was ready: SIGKILL');
  } finally {
    await closeWorkspace(workspace);
  }
});
