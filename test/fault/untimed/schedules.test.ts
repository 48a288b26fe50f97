import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually, TestCluster } from '../../harness/replicas.ts';
import type { ReplicaProcess } from '../../harness/replica-process.ts';
import { rankOf } from '../../../src/lease/rank.ts';

const NOTE = { id: 'note', assert: [{ input: '/n', exists: true }] };
const RUNBOOK = { runbook: 'report', version: 1, inputs: ['n'], cells: [NOTE] };
const HOUR = 3_600_000;

interface Tick {
  tick: Date;
  outcome: string;
  instance_id: string | null;
  from_tick: Date | null;
}

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ replicas: 2 });
  await cluster.pushRunbook(RUNBOOK);
});
afterAll(() => cluster?.stop());

const put = (scheduleId: string, over: object): Promise<Record<string, unknown>> =>
  cluster.request(cluster.subject('schedule', 'put'), {
    scheduleId,
    runbookId: 'report',
    inputs: { n: 1 },
    agentId: 'tester',
    ...over,
  });

const change = (verb: string, scheduleId: string): Promise<Record<string, unknown>> =>
  cluster.request(cluster.subject('schedule', verb), { scheduleId, agentId: 'tester' });

async function ticksOf(scheduleId: string): Promise<Tick[]> {
  const { rows } = await cluster.app.query<Tick>(
    'select tick, outcome, instance_id, from_tick from leasehold.ticks where schedule_id = $1 order by tick',
    [scheduleId],
  );
  return rows;
}

async function instancesOf(scheduleId: string): Promise<string[]> {
  const { rows } = await cluster.app.query<{ instance_id: string }>(
    'select instance_id from leasehold.instances where schedule_id = $1 order by tick',
    [scheduleId],
  );
  return rows.map((row) => row.instance_id);
}

/** A name of a schedule whose ticks this replica takes first. */
function firstOf(victim: ReplicaProcess, all: readonly ReplicaProcess[]): string {
  const ids = all.map(({ replicaId }) => replicaId);
  for (let nth = 0; ; nth += 1) {
    const name = `turn-${victim.name}-${nth}`;
    if (rankOf(name, ids, victim.replicaId) === 0) return name;
  }
}

/** What is wrong with ticks that should come every second, each with one instance. */
async function faultsOf(scheduleId: string): Promise<string[]> {
  const ticks = await ticksOf(scheduleId);
  const instances = await instancesOf(scheduleId);
  const firstMs = ticks[0]?.tick.getTime() ?? 0;
  const faults = ticks.flatMap(({ tick, outcome, instance_id: instanceId }, nth) => {
    const iso = tick.toISOString();
    const name = `${scheduleId}-${iso.replaceAll(/[-:]|\.\d{3}/g, '')}`;
    return [
      ...(tick.getTime() === firstMs + nth * 1_000 ? [] : [`${iso} is tick ${nth}`]),
      ...(outcome === 'started' && instanceId === name ? [] : [`${iso} is ${outcome}`]),
      ...(instances[nth] === instanceId ? [] : [`${iso} has ${instances[nth]}`]),
    ];
  });
  if (instances.length !== ticks.length) faults.push(`${instances.length} of ${ticks.length}`);
  return faults;
}

/** How often the replica whose turn it is dies, at each of two moments. */
const KILLS = Number(process.env['LEASEHOLD_TICK_KILLS'] ?? 1);
/** Starting a replica, the tick, and the take-over. */
const A_KILL_MS = 30_000;

describe('three replicas, of which the one whose turn it is dies at the tick', () => {
  it.each(['before_ticks', 'after_ticks'])(
    '%s: each tick starts exactly one instance',
    async (point) => {
      let started = 0;
      for (let nth = 0; nth < KILLS; nth += 1) {
        const victim = await cluster.startReplica(`victim-${point.replace('_', '-')}-${nth}`, {
          LEASEHOLD_FAILPOINTS: `${point}=kill@nth:2`,
        });
        const living = [cluster.replica('a'), cluster.replica('b'), victim];
        const scheduleId = firstOf(victim, living);
        const reply = await put(scheduleId, { every: '1s', overlap: 'allow', catchUp: 'none' });
        expect(reply).toMatchObject({ scheduleId, revision: 1 });
        expect(reply['next']).toHaveLength(5);
        expect(await victim.exited).toMatchObject({ signal: 'SIGKILL' });
        const atDeath = (await ticksOf(scheduleId)).length;
        await eventually(async () =>
          (await ticksOf(scheduleId)).length > atDeath + 1 ? true : undefined,
        );
        await change('delete', scheduleId);
        expect(await faultsOf(scheduleId)).toEqual([]);
        started += (await ticksOf(scheduleId)).length;
      }
      process.stderr.write(`${point}: ${KILLS} killed, ${started} ticks, each with one instance\n`);
    },
    KILLS * A_KILL_MS,
  );

  it('frozen instead, the others take its ticks, and it repeats none when it wakes', async () => {
    const victim = await cluster.startReplica('frozen', {
      LEASEHOLD_FAILPOINTS: 'before_ticks=freeze@nth:2',
    });
    const scheduleId = firstOf(victim, [cluster.replica('a'), cluster.replica('b'), victim]);
    await put(scheduleId, { every: '1s', overlap: 'allow' });
    await victim.failpointReached('before_ticks');
    const atFreeze = (await ticksOf(scheduleId)).length;
    await eventually(async () =>
      (await ticksOf(scheduleId)).length > atFreeze + 1 ? true : undefined,
    );
    victim.wake();
    // It goes on with the statement that it was about to send, and has its turn again.
    const atWaking = (await ticksOf(scheduleId)).length;
    await eventually(async () =>
      (await ticksOf(scheduleId)).length > atWaking + 2 ? true : undefined,
    );
    await change('pause', scheduleId);
    expect(await faultsOf(scheduleId)).toEqual([]);
    victim.kill();
    await victim.exited;
  });
});

describe('ticks that were missed while every replica was down', () => {
  it('are caught up as the schedule says', async () => {
    await Promise.all(
      [cluster.replica('a'), cluster.replica('b')].map(async (replica) => {
        replica.kill();
        await replica.exited;
      }),
    );
    // The schedules were put five hours ago, and nobody has been up since.
    const sinceMs = Date.now() - 5 * HOUR;
    // Half an hour from now, and before.
    const hourly = `${(new Date().getUTCMinutes() + 30) % 60} * * * *`;
    const insert = (scheduleId: string, catchUp: string, cron: string, beganMs: number) =>
      cluster.app.query(
        `insert into leasehold.schedules
             (schedule_id, revision, runbook_id, cron, inputs, overlap, catch_up, since, agent_id)
           values ($1, 1, 'report', $2, '{"n": 1}', 'allow', $3, $4, 'tester')`,
        [scheduleId, cron, catchUp, new Date(beganMs)],
      );
    for (const catchUp of ['last', 'all', 'none'])
      await insert(`down-${catchUp}`, catchUp, hourly, sinceMs);
    // Down for a year, with a tick a minute.
    await insert('down-year', 'all', '* * * * *', sinceMs - 365 * 24 * HOUR);

    await Promise.all(['c', 'd', 'e'].map((name) => cluster.startReplica(name)));
    const settled = await eventually(async () => {
      const all = await Promise.all(['last', 'all', 'none'].map((one) => ticksOf(`down-${one}`)));
      const counts = new Set(all.map(({ length }) => length));
      return counts.size === 1 && all[0]!.length === 5 ? all : undefined;
    });
    const outcomes = settled.map((ticks) => ticks.map(({ outcome }) => outcome));
    const [last = [], all = [], none = []] = outcomes;
    expect(last).toEqual([...last.slice(1).map(() => 'skipped'), 'started']);
    expect(new Set(all)).toEqual(new Set(['started']));
    expect(new Set(none)).toEqual(new Set(['skipped']));
    for (const ticks of settled)
      expect(ticks.map(({ tick }) => tick.getTime())).toEqual(
        settled[0]?.map(({ tick }) => tick.getTime()),
      );

    const year = await eventually(async () => {
      const ticks = await ticksOf('down-year');
      const newest = ticks.at(-1)?.tick.getTime() ?? 0;
      return Date.now() - newest < 120_000 ? ticks : undefined;
    });
    const [first, ...rest] = year;
    expect(first).toMatchObject({ outcome: 'skipped', from_tick: expect.any(Date) });
    expect(rest.length).toBeGreaterThanOrEqual(500);
    expect(rest.length).toBeLessThan(510);
    expect(new Set(rest.map(({ outcome }) => outcome))).toEqual(new Set(['started']));
    await change('delete', 'down-year');
  });

  it('an audit of all of it finds nothing', async () => {
    const audit = await cluster.cli(['audit', '--json']);
    expect([audit.code, audit.stdout.split('\n').slice(0, -2)]).toEqual([0, []]);
    const { summary } = JSON.parse(audit.stdout) as {
      summary: { schedules: number; checks: { check: string; seen: number }[] };
    };
    expect(summary.schedules).toBe(7);
    const seen = new Map(summary.checks.map((one) => [one.check, one.seen]));
    for (const check of [
      'ticks-in-order',
      'no-tick-left-out',
      'tick-has-its-instance',
      'instance-of-its-tick',
    ])
      expect(seen.get(check), `seen by ${check}`).toBeGreaterThan(500);
  });
});
