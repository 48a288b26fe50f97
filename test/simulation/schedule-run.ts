import { Audit } from '../../src/audit/audit.ts';
import { ScheduleAudit } from '../../src/audit/schedule-audit.ts';
import type { TickEvidence } from '../../src/audit/schedule-checks.ts';
import { TICKS } from '../../src/audit/checks/ticks.ts';
import type { JsonObject } from '../../src/json.ts';
import { Random } from '../../tools/chaos/random.ts';
import { Cluster } from './cluster.ts';
import { lostWork } from './due-checker.ts';
import { breakSomething } from './faults.ts';
import { planSchedule, STRIKES } from './schedule.ts';
import { SimProcess } from './world.ts';

/** The calls of a replica that are about schedules. */
export const SCHEDULE_CALLS = [
  'dueSchedules',
  'takeTicks',
  'lookAgain',
  'schedule',
  'appendSchedule',
  'runbook',
  'running',
  'restoreLines',
  'clock',
] as const;

/** How one seed went. */
export interface ScheduleRun {
  breaches: string[];
  started: number;
  skipped: number;
  /** Ticks that stand for others. */
  covering: number;
  struck: Set<string>;
  trace: string[];
}

const OVER_MS = 16_000;
/** Longer than every fault, the take-over by the last in rank, and a rest after an error. */
const SETTLE_MS = 45_000;
const SCHEDULES = ['s0', 's1', 's2', 's3'];
const RUNBOOKS = ['nap', 'waiting'];
const NAP_MS = 1_000;

/**
 * Runs replicas with schedules through faults at every call, then lets them settle, and checks that
 * each tick is there, with its instance, once, and that nothing of these instances is lost.
 */
export async function runSchedules(
  seed: number,
  prepare: (cluster: Cluster) => void = () => undefined,
): Promise<ScheduleRun> {
  const cluster = new Cluster(seed);
  const { world, network, postgres } = cluster;
  const random = new Random(seed ^ 0x71c);
  const struck = new Set<string>();
  network.onSprung = ({ call, point, act }) => struck.add(`${call} ${point} ${act}`);
  prepare(cluster);
  for (const runbook of RUNBOOKS) {
    const gate = { id: 'gate', await: { claim: 'never', statuses: ['open'] } };
    const cells = runbook === 'nap' ? [{ id: 'nap', await: { for: `${NAP_MS}ms` } }] : [gate];
    postgres.runbooks.set(runbook, { runbook, version: 1, inputs: [], cells });
  }
  const agent = new SimProcess(world, 'agent');
  const bus = cluster.nats.bus(agent);
  const ask = (verb: 'put' | 'pause' | 'resume' | 'delete', body: JsonObject): void =>
    void bus.request(cluster.subjects.schedule(verb), body, 5_000);
  const put = (scheduleId: string): void => {
    const every = { every: `${random.int(1, 7)}s` };
    const when = random.chance(0.3) ? { cron: `*/${random.int(2, 20)} * * * * *` } : every;
    ask('put', {
      ...when,
      scheduleId,
      runbookId: random.pick(RUNBOOKS),
      inputs: random.chance(0.1) ? { none: 1 } : {},
      overlap: random.pick(['skip', 'allow'] as const),
      catchUp: random.pick(['last', 'all', 'none'] as const),
      jitter: random.chance(0.3) ? '1s' : '1ms',
      agentId: 'agent',
    });
  };
  for (let count = 0; count < 3; count += 1) cluster.startReplica();
  for (const scheduleId of SCHEDULES) world.at(random.between(800, 3_000), () => put(scheduleId));
  for (let count = 0; count < 5; count += 1) {
    const scheduleId = random.pick(SCHEDULES);
    const verb = random.pick(['put', 'put', 'pause', 'resume', 'resume', 'delete'] as const);
    world.at(random.between(3_000, OVER_MS), () => {
      if (verb === 'put') put(scheduleId);
      else ask(verb, { scheduleId, agentId: 'agent' });
    });
  }
  const size = { requests: 0, faults: 4, traps: 0, instances: 1, overMs: OVER_MS };
  for (const planned of planSchedule(seed, size))
    if (planned.do === 'break') world.at(planned.atMs, () => breakSomething(cluster, planned));
  for (let count = 0; count < 4; count += 1)
    world.at(random.between(1_000, OVER_MS), () => trap(cluster, random));
  if (random.chance(0.5)) world.at(random.between(4_000, OVER_MS), () => blackout(cluster, random));
  await world.run(OVER_MS);
  await world.run(OVER_MS + 8_000);
  network.heal();
  while (cluster.living.length < 3) cluster.startReplica();
  for (const { process } of cluster.living) process.wake();
  await world.run(world.nowMs + SETTLE_MS);
  const ticks = [...postgres.schedules.stored.values()].flatMap((stored) => stored.ticks);
  return {
    breaches: breachesOf(cluster),
    started: ticks.filter(({ outcome }) => outcome === 'started').length,
    skipped: ticks.filter(({ outcome }) => outcome === 'skipped').length,
    covering: ticks.filter(({ fromMs }) => fromMs !== undefined).length,
    struck,
    trace: world.trace,
  };
}

function trap(cluster: Cluster, random: Random): void {
  const end = random.pick(['kill', 'freeze'] as const);
  const strike = random.pick(STRIKES);
  const how =
    strike === 'before'
      ? ({ point: 'before', act: random.pick([end, 'lose' as const]) } as const)
      : strike === 'after'
        ? ({ point: random.pick(['applied', 'answered'] as const), act: end } as const)
        : ({ point: 'applied', act: 'lose' } as const);
  const call = random.chance(0.5) ? 'takeTicks' : random.pick(SCHEDULE_CALLS);
  const set = { port: 'postgres' as const, call, nth: random.int(1, 3), ...how };
  breakSomething(cluster, { fault: 'trap', forMs: random.between(300, 6_000), ...set });
}

/** Nobody is up for longer than a tick may be late, at times for much longer. */
function blackout(cluster: Cluster, random: Random): void {
  const { world } = cluster;
  for (const { process } of cluster.living) process.kill();
  const forMs = random.chance(0.5) ? 1_200_000 : random.between(70_000, 200_000);
  world.note(`BLACKOUT ${forMs}`);
  // The database's clock moves on: the time passes for everybody.
  cluster.postgres.schedules.clockSkewMs += forMs;
  for (let count = 0; count < 3; count += 1) cluster.startReplica();
}

function breachesOf(cluster: Cluster): string[] {
  const { postgres } = cluster;
  const { stored, origins } = postgres.schedules;
  const found: string[] = [];
  const audit = new ScheduleAudit();
  const nowMs = Date.parse(postgres.schedules.now());
  for (const [scheduleId, { revisions, ticks }] of stored) {
    const evidence = ticks.map((tick): TickEvidence => {
      const { recordedAt, ...own } = tick;
      const instance = postgres.instances.get(tick.instanceId ?? '');
      const origin = origins.get(tick.instanceId ?? '');
      return {
        ...own,
        recordedMs: Date.parse(recordedAt),
        instance: instance && { scheduleId: undefined, tickMs: undefined, ...instance, ...origin },
      };
    });
    const whole = { scheduleId, revisions, ticks: evidence, before: undefined, isLast: true };
    // A tick is found within a poll, and taken by the last in rank if need be.
    for (const breach of audit.look({ ...whole, settledMs: nowMs - 3_000 }))
      found.push(`${breach.check}: ${scheduleId} ${breach.ticks.join()}: ${breach.what}`);
  }
  const ofInstances = new Audit(TICKS);
  for (const [instanceId, { scheduleId, tickMs }] of origins) {
    const isStarted =
      stored
        .get(scheduleId)
        ?.ticks.some((tick) => tick.tickMs === tickMs && tick.instanceId === instanceId) ?? false;
    const tick = new Date(tickMs).toISOString();
    const evidence = {
      instanceId,
      instance: undefined,
      runbook: undefined,
      rows: [],
      receipts: [],
      lateOutcomes: [],
      refusals: [],
      tickOrigin: { scheduleId, tick, isStarted },
    };
    for (const { check, what } of ofInstances.look(evidence))
      found.push(`${check}: ${instanceId}: ${what}`);
  }
  // Nobody makes the claim that the others wait for; and the newest may be under way.
  const judgedMs = Date.parse(postgres.now()) - NAP_MS - 3_000;
  const lost = lostWork(
    cluster,
    ({ runbookId, recordedAt }) => runbookId === 'nap' && Date.parse(recordedAt) <= judgedMs,
  );
  found.push(...lost.map(({ what }) => what));
  for (const { replicaId, crashedOver } of cluster.replicas)
    if (crashedOver !== undefined) found.push(`${replicaId} crashed over ${crashedOver.message}`);
  return found;
}
