import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, JSONCodec } from 'nats';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';

import { runCommand } from '../../../tools/stack/command.ts';
import { freshDatabase, freshNamespace, serversForTests } from '../../harness/servers.ts';

const ROOT = join(import.meta.dirname, '../../..');
const MAIN = join(ROOT, 'dist', 'cli', 'main.js');

interface ReadyLine {
  ready: true;
  namespace: string;
  etcdUrls: string[];
  natsUrls: string[];
  databaseUrl: string;
  ownerDatabaseUrl: string;
  ledgerUrl: string;
  servers: { name: string; pid: number }[];
  replicas: { replicaId: string; pid: number; httpUrl: string }[];
}

/** A real `leasehold dev`, observed only through its output and the processes that it starts. */
class Dev {
  static readonly all: Dev[] = [];
  readonly exited: Promise<number | string>;
  readonly #child: ChildProcess;
  stdout = '';
  stderr = '';

  constructor(argv: string[], env: Record<string, string> = {}) {
    if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: npm run build`);
    const inherited = Object.entries(process.env).filter(
      ([name]) => !/^LEASEHOLD_(?!CACHE|STACK)/.test(name),
    );
    this.#child = spawn(process.execPath, [MAIN, 'dev', ...argv], {
      cwd: ROOT,
      env: { ...Object.fromEntries(inherited), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => resolve(code ?? signal ?? 'nothing'));
    });
    Dev.all.push(this);
  }

  async ready(): Promise<ReadyLine> {
    const line = new Promise<string>((resolve) => {
      const look = (): void => {
        if (this.stdout.includes('\n')) resolve(this.stdout.split('\n')[0] ?? '');
      };
      this.#child.stdout?.on('data', look);
      look();
    });
    const first = await Promise.race([line, this.exited.then(() => undefined)]);
    if (first === undefined) throw new Error(`dev ended before it was ready:\n${this.stderr}`);
    return JSON.parse(first) as ReadyLine;
  }

  terminate(): Promise<number | string> {
    this.#child.kill('SIGTERM');
    return this.exited;
  }
}

afterEach(async () => {
  await Promise.all(Dev.all.splice(0).map((dev) => dev.terminate()));
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Sends requests over raw NATS, as an agent in any language would. */
async function rawAgent(line: ReadyLine) {
  const nats = await connect({ servers: line.natsUrls });
  const json = JSONCodec<Record<string, unknown>>();
  return {
    request: async (subject: string, body: Record<string, unknown>) => {
      const whole = `leasehold.${line.namespace}.${subject}`;
      return json.decode((await nats.request(whole, json.encode(body), { timeout: 60_000 })).data);
    },
    close: () => nats.close(),
  };
}

async function countOf(ledgerUrl: string, key: string): Promise<number> {
  const answer = await fetch(`${ledgerUrl}/effects?key=${encodeURIComponent(key)}`);
  return ((await answer.json()) as { count: number }).count;
}

describe('leasehold dev', () => {
  it('prints one line with all URLs, serves the examples, and leaves nothing behind', async () => {
    const dev = new Dev(['--json', '--replicas', '2', '--lease-ttl', '2']);
    const line = await dev.ready();
    expect(line).toEqual({
      ready: true,
      namespace: 'default',
      etcdUrls: [expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/)],
      natsUrls: [expect.stringMatching(/^nats:\/\/127\.0\.0\.1:\d+$/)],
      databaseUrl: expect.stringMatching(
        /^postgres:\/\/leasehold_app@127\.0\.0\.1:\d+\//,
      ) as unknown,
      ownerDatabaseUrl: expect.stringMatching(
        /^postgres:\/\/leasehold_owner@127\.0\.0\.1:\d+\//,
      ) as unknown,
      ledgerUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as unknown,
      servers: ['etcd', 'nats', 'postgres', 'ledger'].map((name) => ({
        name,
        pid: expect.any(Number) as number,
      })),
      replicas: [1, 2].map((n) => ({
        replicaId: expect.stringMatching(new RegExp(`^replica-${n}-[0-9a-f]{8}$`)) as unknown,
        pid: expect.any(Number) as unknown,
        httpUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as unknown,
      })),
    });
    const pids = [...line.servers, ...line.replicas].map(({ pid }) => pid);
    expect(new Set(pids).size).toBe(6);
    expect(pids.filter((pid) => !isAlive(pid))).toEqual([]);
    for (const { httpUrl } of line.replicas)
      expect((await fetch(`${httpUrl}/readyz`)).status).toBe(200);

    const { request, close } = await rawAgent(line);
    const inputs = { ledger: line.ledgerUrl, day: 'd7' };
    const start = { instanceId: 'day-7', runbookId: 'example-settlement', inputs, agentId: 'a' };
    expect(await request('start', start)).toMatchObject({ created: true });
    expect(await request('advance.day-7', { requestId: 'q1', agentId: 'a' })).toMatchObject({
      outcome: 'completed',
    });
    for (const region of ['north', 'south', 'west']) {
      expect(await countOf(line.ledgerUrl, `day-7/settle-${region}/1`)).toBe(1);
    }
    await close();

    expect(await dev.terminate()).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);
    expect(dev.stdout.match(/\n/g)).toHaveLength(1);
  });

  it('keeps data and ports for the next run with --data, which nothing else may use meanwhile', async () => {
    const data = await mkdtemp(join(tmpdir(), 'leasehold-data-'));
    onTestFinished(() => rm(data, { recursive: true, force: true }));
    await chmod(data, 0o755);
    const argv = ['--json', '--replicas', '1', '--lease-ttl', '2', '--data', data];
    const first = new Dev(argv);
    const line = await first.ready();
    const agent = await rawAgent(line);
    const inputs = { ledger: line.ledgerUrl, day: 'd1' };
    const start = { instanceId: 'day-1', runbookId: 'example-settlement', inputs, agentId: 'a' };
    await agent.request('start', start);
    await agent.request('advance.day-1', { requestId: 'q1', agentId: 'a' });
    await agent.close();
    const rival = new Dev(argv);
    expect(await rival.exited).toBe(2);
    expect(rival.stderr).toContain('is in use by another stack');
    expect(await first.terminate()).toBe(0);

    const second = new Dev(argv);
    const { etcdUrls, natsUrls, databaseUrl, ledgerUrl } = await second.ready();
    expect({ etcdUrls, natsUrls, databaseUrl, ledgerUrl }).toEqual({
      etcdUrls: line.etcdUrls,
      natsUrls: line.natsUrls,
      databaseUrl: line.databaseUrl,
      ledgerUrl: line.ledgerUrl,
    });
    expect(await countOf(ledgerUrl, 'day-1/settle-north/1')).toBe(1);
    const again = await rawAgent(line);
    expect(await again.request('status.day-1', {})).toMatchObject({ status: 'completed' });
    await again.close();
  });

  it('reports a replica that was killed, and the others take over', async () => {
    const dev = new Dev(['--json', '--replicas', '2', '--lease-ttl', '2']);
    const line = await dev.ready();
    const { request, close } = await rawAgent(line);
    const inputs = { order: '7' };
    const start = { instanceId: 'refund-7', runbookId: 'example-refund', inputs, agentId: 'a' };
    expect(await request('start', start)).toMatchObject({ created: true });
    const parked = await request('advance.refund-7', { requestId: 'q1', agentId: 'a' });
    expect(parked).toMatchObject({ outcome: 'parked' });
    const { replicaId } = parked['holder'] as { replicaId: string };
    const victim = line.replicas.find((replica) => replica.replicaId === replicaId);
    expect(victim).toBeDefined();
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    await expect
      .poll(() => dev.stderr, { timeout: 60_000 })
      .toContain(`${replicaId} (pid ${victim?.pid}) has ended`);
    expect(await request('claim.refund-7', { status: 'approved', agentId: 'a' })).toMatchObject({
      revision: 1,
    });
    const done = await request('advance.refund-7', { requestId: 'q2', agentId: 'a' });
    expect(done).toMatchObject({ outcome: 'completed' });
    expect((done['holder'] as { replicaId: string }).replicaId).not.toBe(replicaId);
    expect(await countOf(line.ledgerUrl, 'refund-7/charge/1')).toBe(1);
    expect(await countOf(line.ledgerUrl, 'refund-7/notify/1')).toBe(1);
    await close();
    expect(await dev.terminate()).toBe(0);
  });

  it('uses servers that are given, and leaves them running', async () => {
    const shared = serversForTests();
    const namespace = freshNamespace();
    const dev = new Dev(['--json', '--replicas', '1', '--lease-ttl', '2'], {
      LEASEHOLD_NAMESPACE: namespace,
      LEASEHOLD_ETCD_URLS: shared.etcdUrls.join(','),
      LEASEHOLD_NATS_URLS: shared.natsUrls.join(','),
      LEASEHOLD_OWNER_DATABASE_URL: await freshDatabase(),
    });
    const line = await dev.ready();
    expect(line).toMatchObject({ namespace, etcdUrls: shared.etcdUrls, natsUrls: shared.natsUrls });
    expect(line.servers.map(({ name }) => name)).toEqual(['ledger']);
    expect(await dev.terminate()).toBe(0);
    const { request, close } = await rawAgent(line);
    // The servers still run, and no replica of this namespace listens any more.
    await expect(request('status.x', {})).rejects.toMatchObject({ code: '503' });
    await close();
  });

  it('passes failpoints to the replicas, and their reports to stderr', async () => {
    const dev = new Dev(['--json', '--replicas', '1', '--lease-ttl', '2'], {
      LEASEHOLD_FAILPOINTS: 'after_intent=delay:1@cell:settle-south',
    });
    const line = await dev.ready();
    const { request, close } = await rawAgent(line);
    const inputs = { ledger: line.ledgerUrl, day: 'd8' };
    await request('start', {
      instanceId: 'day-8',
      runbookId: 'example-settlement',
      inputs,
      agentId: 'a',
    });
    expect(await request('advance.day-8', { requestId: 'q1', agentId: 'a' })).toMatchObject({
      outcome: 'completed',
    });
    await expect
      .poll(() => dev.stderr, { timeout: 60_000 })
      .toContain('{"failpoint":"after_intent","action":"delay"');
    await close();
  });

  it('fails before anything is started when an option is invalid', async () => {
    const dev = new Dev(['--lease-ttl', '1']);
    expect(await dev.exited).toBe(2);
    expect(dev.stderr).toContain('--lease-ttl must be a whole number of seconds from 2 to 3600');
    expect(dev.stdout).toBe('');
    const nowhere = new Dev(['--data', MAIN]);
    expect(await nowhere.exited).toBe(2);
    expect(nowhere.stderr).toMatch(/--data: .*main\.js cannot be used .*; name a directory/);
  });

  it('prints commands that work when they are pasted into a shell', async () => {
    const dev = new Dev(['--replicas', '1', '--lease-ttl', '2']);
    await expect.poll(() => dev.stdout, { timeout: 60_000 }).toContain('Press Ctrl-C to stop');
    const lines = dev.stdout.split('\n').filter((line) => line.startsWith('  '));
    const commands = lines.filter((line) => /^ {2}(?:export|alias|leasehold|curl) /.test(line));
    expect(commands.filter((line) => line.startsWith('  leasehold'))).toHaveLength(6);
    expect(commands.length).toBeGreaterThanOrEqual(12);
    // All of them, one after another; without curl where there is none.
    const script = ['command -v curl >/dev/null || curl() { :; }', ...commands].join('\n');
    const { code, stdout, stderr } = await runCommand('sh', ['-euc', script], { cwd: ROOT });
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.not.stringMatching(/error/) });
    expect(stdout).toMatch(/is parked at approved[^]*refund-7 completed/);
    expect(await dev.terminate()).toBe(0);
  });

  it('exits 2 with the reason when a setting of the replicas is wrong', async () => {
    const dev = new Dev(['--json', '--replicas', '1'], { LEASEHOLD_HANDLERS: '/nope.mjs' });
    expect(await dev.exited).toBe(2);
    expect(dev.stderr).toMatch(/replica-1: LEASEHOLD_HANDLERS: \/nope\.mjs cannot be imported/);
    expect(JSON.parse(dev.stdout)).toMatchObject({ error: { code: 'invalid' } });
  });

  it('runs the demo, and every effect is counted once', async () => {
    const dev = new Dev(['--show', '--exit', '--lease-ttl', '2']);
    const exitCode = await dev.exited;
    expect(dev.stderr).not.toContain('the demo failed');
    expect(dev.stdout).toContain('every effect was counted once: 5 of 5');
    expect(dev.stdout).toMatch(/agent-[ab] +advances it +→ completed/);
    expect(dev.stdout).toMatch(/agent-[ab] +advances it +→ in_flight: ran nothing/);
    expect(dev.stdout).toMatch(/took over [\d.]+ s after the kill; fencing token \d+, was \d+/);
    expect(dev.stdout).toMatch(
      /leasehold decide payout-\w+-3 --cell pay --attempt 1 --as succeeded/,
    );
    // No colours where stdout is not a terminal.
    expect(dev.stdout).not.toContain('\u001b');
    expect(exitCode).toBe(0);
  });
});
