import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { Output } from '../harness/child-process.ts';
import { MAIN } from '../harness/child-process.ts';
import { TestCluster, eventually } from '../harness/replicas.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
  await cluster.pushRunbook({
    runbook: 'ends',
    version: 1,
    inputs: ['script'],
    cells: [{ id: 'run', exec: { command: ['sh', '-c', '${inputs.script}'] } }],
  });
});

afterAll(() => cluster?.stop());

const events = (log: string): Record<string, unknown>[] =>
  log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('a replica logs', () => {
  it('halts, doubts, decisions, takeovers and drains at info, and nothing of ordinary work', async () => {
    const first = await cluster.startReplica('first');
    await cluster.start('good', 'ends', { script: 'true' });
    await cluster.start('bad', 'ends', { script: 'exit 3' });
    await cluster.start('lost', 'ends', { script: 'kill -KILL $$' });
    await cluster.advance('good', 'good-1');
    await cluster.advance('bad', 'bad-1');
    await cluster.advance('lost', 'lost-1');
    await first.logged(/"the instance is in doubt"/);
    await cluster.request(cluster.subject('decide', 'lost'), {
      agentId: 'tester',
      cellId: 'run',
      attempt: 1,
      as: 'rerun',
      reason: 'seen',
    });
    await first.logged(/was decided/);
    const place = { cellId: 'run', attempt: 1, token: expect.any(Number) as number };
    const logged = events(first.log);
    expect(logged).toContainEqual(
      expect.objectContaining({
        ...place,
        level: 'info',
        instanceId: 'bad',
        requestId: 'bad-1',
        msg: 'the instance halted',
      }),
    );
    expect(logged).toContainEqual(
      expect.objectContaining({
        ...place,
        instanceId: 'lost',
        requestId: 'lost-1',
        msg: 'the instance is in doubt',
      }),
    );
    expect(logged).toContainEqual(
      expect.objectContaining({ ...place, instanceId: 'lost', as: 'rerun', by: 'tester' }),
    );
    expect(logged.filter(({ instanceId }) => instanceId === 'good')).toEqual([]);
    first.terminate();
    await first.exited;
    expect(events(first.log).map(({ msg }) => msg)).toEqual(
      expect.arrayContaining(['stopping', 'draining', 'drained']),
    );
    const second = await cluster.startReplica('second');
    await cluster.advance('lost', 'lost-2');
    const line = await second.logged(/took over an instance/);
    expect(JSON.parse(line)).toMatchObject({
      ...place,
      instanceId: 'lost',
      requestId: 'lost-2',
      from: first.replicaId,
    });
    second.kill();
  });

  it('every request with its outcome and duration at debug', async () => {
    const replica = await cluster.startReplica('debug', { LEASEHOLD_LOG_LEVEL: 'debug' });
    onTestFinished(() => replica.kill());
    await cluster.start('asked', 'ends', { script: 'true' });
    await cluster.advance('asked', 'asked-1');
    await cluster.status('nobody');
    const advance = JSON.parse(await replica.logged(/"verb":"advance"/)) as object;
    expect(advance).toMatchObject({
      level: 'debug',
      instanceId: 'asked',
      requestId: 'asked-1',
      outcome: 'completed',
      forMs: expect.any(Number) as number,
    });
    expect(await replica.logged(/"verb":"start".*"outcome":"done"/)).toContain('"forMs":');
    expect(await replica.logged(/"verb":"status".*"outcome":"not_found"/)).toContain(
      '"id":"nobody"',
    );
  });

  it('lines for people where LEASEHOLD_LOG_FORMAT says so', async () => {
    const replica = await cluster.startReplica('pretty', { LEASEHOLD_LOG_FORMAT: 'pretty' });
    onTestFinished(() => replica.kill());
    expect(await replica.logged(/ready/)).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: ready \{/);
  });
});

describe('a command of a replica', () => {
  const script = 'env; cat /proc/$PPID/environ || true';

  it('gets none of the replica’s settings and secrets, except those that are listed', async () => {
    const replica = await cluster.startReplica('env', {
      LEASEHOLD_COMMAND_ENV: 'LISTED',
      LISTED: 'yes',
      NOT_LISTED: 'secret of the deployment',
    });
    onTestFinished(() => replica.kill());
    await cluster.start('env', 'ends', { script: 'env' });
    expect(await cluster.advance('env', 'env-1')).toMatchObject({ outcome: 'completed' });
    const seen = JSON.stringify((await cluster.rows('env')).at(-1)!.body);
    expect(seen).toContain('LISTED=yes');
    expect(seen).toContain('LEASEHOLD_INSTANCE_ID=env');
    expect(seen).not.toMatch(/secret of the deployment|LEASEHOLD_(DATABASE_URL|NATS|ETCD)/);
  });

  // Only root can start processes as other users.
  it.skipIf(process.geteuid?.() !== 0)(
    'cannot read the replica’s environment in /proc if LEASEHOLD_COMMAND_USER is set',
    async () => {
      const replica = await cluster.startReplica('user', { LEASEHOLD_COMMAND_USER: '54321:54321' });
      onTestFinished(() => replica.kill());
      await cluster.start('user', 'ends', { script });
      expect(await cluster.advance('user', 'user-1')).toMatchObject({ outcome: 'completed' });
      const { body } = (await cluster.rows('user')).at(-1)!;
      expect(JSON.stringify(body)).toMatch(/environ: Permission denied/);
      expect(JSON.stringify(body)).not.toContain('LEASEHOLD_DATABASE_URL');
    },
  );
});

it('a drain lasts at most LEASEHOLD_DRAIN_S, then the attempts are aborted', async () => {
  const replica = await cluster.startReplica('drain', { LEASEHOLD_DRAIN_S: '1' });
  await cluster.start('long', 'ends', { script: 'sleep 60' });
  const receipt = cluster.advance('long', 'long-1').catch(() => undefined);
  await eventually(async () =>
    (await cluster.status('long')).status === 'running' ? true : undefined,
  );
  const sinceMs = performance.now();
  replica.terminate();
  const { code } = await replica.exited;
  const tookMs = performance.now() - sinceMs;
  expect(code).toBe(0);
  expect(tookMs).toBeGreaterThan(900);
  expect(tookMs).toBeLessThan(7_000);
  expect(await replica.logged(/aborting an open attempt/)).toContain('"instanceId":"long"');
  expect((await cluster.rows('long')).map(({ kind }) => kind)).toEqual(['started', 'interrupted']);
  void receipt;
});

it('status and start of a frozen member of the queue group are answered by another', async () => {
  const frozen = await cluster.startReplica('frozen');
  const other = await cluster.startReplica('other');
  onTestFinished(() => {
    frozen.kill();
    other.kill();
  });
  frozen.freeze();
  const sinceMs = performance.now();
  const runs = await Promise.all(
    Array.from({ length: 6 }, (_, n) =>
      cluster.cli(['start', `f${n}`, '--runbook', 'ends', '--input', 'script=true', '--json']),
    ),
  );
  expect(runs.map(({ code }) => code)).toEqual(runs.map(() => 0));
  const shown = await Promise.all(
    Array.from({ length: 6 }, (_, n) => cluster.cli(['status', `f${n}`, '--json'])),
  );
  expect(shown.map(({ code }) => code)).toEqual(shown.map(() => 0));
  // Of 12 requests to two members, one answers at once and the other never: each silence is 1 s.
  expect(performance.now() - sinceMs).toBeLessThan(20_000);
});

const canUnshare = (() => {
  try {
    execFileSync('/usr/bin/unshare', ['--user', '--map-root-user', '--pid', '--fork', 'true'], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
})();

/** Starts a program as the first process of a pid namespace; returns it and its pid outside. */
async function asFirstProcess(program: string[], name: string) {
  const child = spawn(
    '/usr/bin/unshare',
    ['--user', '--map-root-user', '--pid', '--fork', '--kill-child', ...program],
    { env: { ...cluster.env, LEASEHOLD_REPLICA_NAME: name }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  const [stdout, stderr] = [new Output(child.stdout), new Output(child.stderr)];
  await stdout.until(() => (stdout.text.includes('"ready":true') ? true : undefined));
  const first = processes().find(({ parent }) => parent === child.pid);
  if (first === undefined) throw new Error('unshare has no child');
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { pid: first.pid, stderr, exited };
}

/** Every process on this machine, with its state and parent. */
function processes(): { pid: number; state: string; parent: number }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state = '', parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return [{ pid: Number(name), state, parent: Number(parent) }];
      } catch {
        return [];
      }
    });
}

const zombiesOf = (pid: number): number =>
  processes().filter(({ state, parent }) => state === 'Z' && parent === pid).length;

async function leaveProcesses(name: string): Promise<void> {
  for (let n = 0; n < 10; n += 1) {
    const instanceId = `${name}-${n}`;
    await cluster.start(instanceId, 'ends', { script: 'sleep 60 & sleep 60 & exit 0' });
    const { outcome } = await cluster.advance(instanceId, `${instanceId}-r`);
    expect(outcome).toBe('completed');
  }
}

// Skipped where user namespaces are not allowed.
describe.skipIf(!canUnshare)('as the first process of a container', () => {
  it('`leasehold advancer` leaves no zombies, and drains on SIGTERM', async () => {
    const first = await asFirstProcess([MAIN, 'advancer', '--json'], 'shell');
    await leaveProcesses('shell');
    await eventually(async () => (zombiesOf(first.pid) === 0 ? true : undefined));
    expect(first.stderr.text).not.toContain('PID 1');
    process.kill(first.pid, 'SIGTERM');
    expect(await first.exited).toBe(0);
    expect(first.stderr.text).toContain('"msg":"drained"');
  });

  it('started as a Node program, it says that it needs an init, and why', async () => {
    const first = await asFirstProcess([process.execPath, MAIN, 'advancer', '--json'], 'node');
    const [line = ''] = first.stderr.lines;
    const event = JSON.parse(line) as { level: string; msg: string };
    expect(event.level).toBe('warn');
    expect(event.msg).toMatch(/PID 1 .* zombies; .* or use an init: `docker run --init`/);
    await leaveProcesses('node');
    expect(zombiesOf(first.pid)).toBeGreaterThan(0);
    process.kill(first.pid, 'SIGKILL');
    await first.exited;
  });
});
