import { setTimeout as sleep } from 'node:timers/promises';

import { Witness } from '../harness/effects.ts';
import { eventually, TestCluster, type Servers } from '../harness/replicas.ts';
import { httpCell, runbookOf } from '../harness/scene.ts';
import { processorMs, residentPeakKb } from './processes.ts';
import { TICKED, tickTogether, type TicksResult } from './ticks.ts';

/** How much is to wait, and to wake. */
export interface DueLoadOptions {
  /** Unattended instances that wait for claims which nobody makes. */
  parked: number;
  /** Instances whose time comes in the same second. */
  due: number;
  /** Schedules that are due in the same second. */
  schedules: number;
  /** Instances that wait for one claim. */
  waiters: number;
  replicas: number;
  /** How long idle replicas are watched, in milliseconds. */
  idleMs: number;
  /** Default: the servers that all tests share. */
  servers?: Servers | undefined;
  say?: ((text: string) => void) | undefined;
}

/** What replicas cost that have nothing to do. */
export interface Idle {
  /** Transactions per second, of all replicas. */
  transactionsPerS: number;
  /** Rows that these read from tables and indexes, per second. */
  rowsPerS: number;
  /** Share of one processor. */
  postgresCpu: number;
  replicasCpu: number;
}

/** What a run has measured. */
export interface DueLoadResult {
  idleWithout: Idle;
  idleWith: Idle;
  /** How long after their time the instances began their next cells, in milliseconds. */
  begunMs: { median: number; worst: number };
  ticks: TicksResult;
  wake: {
    /** How long the claim itself took. */
    claimMs: number;
    tookMs: number;
    /** Instances that did not write exactly the one row that follows from the claim. */
    notOnce: number;
    peakReplicaMb: number;
    postgresCpu: number;
    transactionsPerS: number;
    peakSessions: number;
  };
}

const RUNBOOKS = [
  runbookOf('parked', [
    { id: 'gate', await: { claim: '${inputs.witness}', statuses: ['open'] } },
    { id: 'about', prose: 'Nobody makes the claim, except the one of the crowd.' },
  ]),
  {
    runbook: 'timed',
    version: 1,
    inputs: ['witness', 'at'],
    cells: [{ id: 'until', await: { until: '${inputs.at}' } }, httpCell('go')],
  },
];

/** Claims that instances wait for in vain. */
const CLAIMS = 1_000;
/** Instances are inserted this many at a time. */
const CHUNK = 50_000;
/** How far ahead the common moment is, so that all are parked before. */
const LEAD_MS = 4_000;

/** Measures due work at scale, on real replicas. */
export async function runDueLoad(options: DueLoadOptions): Promise<DueLoadResult> {
  const { parked, due, schedules, waiters, replicas, idleMs, servers } = options;
  const { say = () => undefined } = options;
  const cluster = await TestCluster.start({ replicas: 0, ttlS: 5, ...(servers && { servers }) });
  const witness = await Witness.start();
  try {
    for (const runbook of [...RUNBOOKS, TICKED]) await cluster.pushRunbook(runbook);
    for (let nth = 0; nth < replicas; nth += 1) await cluster.startReplica(`r${nth}`);
    say('watching idle replicas');
    const idleWithout = await watchIdle(cluster, idleMs);
    await park(cluster, 'p', { count: parked, claims: CLAIMS, say });
    await cluster.owner.query('vacuum analyze leasehold_projection.unattended');
    await sleep(2_000);
    say(`watching idle replicas with ${parked} parked instances`);
    const idleWith = await watchIdle(cluster, idleMs);
    say(`${due} instances become due at the same moment`);
    const begunMs = await becomeDue(cluster, due, witness.url);
    say(`${schedules} schedules are due in the same second`);
    const ticks = await tickTogether(cluster, schedules);
    await park(cluster, 'crowd', { count: waiters, claims: 1, say });
    say(`waking ${waiters} instances that wait for one claim`);
    const wake = await wakeAll(cluster, waiters);
    return { idleWithout, idleWith, begunMs, ticks, wake };
  } finally {
    await cluster.stop();
    await witness.stop();
  }
}

/** Puts instances into the database that wait, as replicas would have left them. */
async function park(
  { owner }: TestCluster,
  prefix: string,
  { count, claims, say }: { count: number; claims: number; say: (text: string) => void },
): Promise<void> {
  for (let from = 0; from < count; from += CHUNK) {
    const to = Math.min(count, from + CHUNK) - 1;
    const client = await owner.connect();
    try {
      await client.query('begin');
      const ids = `'${prefix}-' || n from generate_series(${from}, ${to}) n`;
      const claim = `'${prefix}-claim-' || n % ${claims}`;
      await client.query(
        `insert into leasehold.instances
             (instance_id, runbook_id, version, inputs, agent_id, unattended)
           select '${prefix}-' || n, 'parked', 1, jsonb_build_object('witness', ${claim}), 'load', true
             from generate_series(${from}, ${to}) n`,
      );
      await client.query(
        `insert into leasehold_projection.instances
             (instance_id, runbook_id, version, status, next_cell_id, last_seq, updated_at)
           select i.id, 'parked', 1, 'parked', 'gate', 0, clock_timestamp()
             from (select ${ids}) as i (id)`,
      );
      await client.query(
        `update leasehold_projection.unattended u
           set due_at = null, claim_id = i.inputs ->> 'witness', claim_revision = 0,
               claim_statuses = '{open}'
           from leasehold.instances i
           where i.instance_id = u.instance_id and u.instance_id in (select ${ids})`,
      );
      await client.query('commit');
    } finally {
      client.release();
    }
    say(`${to + 1} of ${count} instances wait`);
  }
}

interface Load {
  atMs: number;
  transactions: number;
  rows: number;
  postgresMs: number;
  replicasMs: number;
}

async function loadOf({ owner, replicas }: TestCluster): Promise<Load> {
  const { rows } = await owner.query<{ pids: number[]; commits: string; read: string }>(
    `select (select array_agg(pid) from pg_stat_activity
               where application_name like 'leasehold-r%' and datname = current_database()) as pids,
       xact_commit as commits, tup_returned + tup_fetched as read
       from pg_stat_database where datname = current_database()`,
  );
  const { pids, commits, read } = rows[0]!;
  return {
    atMs: performance.now(),
    transactions: Number(commits),
    rows: Number(read),
    postgresMs: sum((pids ?? []).map(processorMs)),
    replicasMs: sum(replicas.map(({ pid }) => processorMs(pid))),
  };
}

async function watchIdle(cluster: TestCluster, forMs: number): Promise<Idle> {
  await sleep(1_000);
  const before = await loadOf(cluster);
  await sleep(forMs);
  const after = await loadOf(cluster);
  const seconds = (after.atMs - before.atMs) / 1_000;
  return {
    transactionsPerS: (after.transactions - before.transactions) / seconds,
    rowsPerS: (after.rows - before.rows) / seconds,
    postgresCpu: (after.postgresMs - before.postgresMs) / (after.atMs - before.atMs),
    replicasCpu: (after.replicasMs - before.replicasMs) / (after.atMs - before.atMs),
  };
}

async function becomeDue(
  cluster: TestCluster,
  count: number,
  witness: string,
): Promise<DueLoadResult['begunMs']> {
  const { rows } = await cluster.app.query<{ at: string }>(
    `select leasehold.iso8601(clock_timestamp() + $1 * interval '1 millisecond') as at`,
    [LEAD_MS + count],
  );
  const inputs = { witness, at: rows[0]!.at };
  const ids = Array.from({ length: count }, (_, nth) => `due-${nth}`);
  for (let from = 0; from < count; from += 50) {
    await Promise.all(
      ids.slice(from, from + 50).map((instanceId) =>
        cluster.request(cluster.subject('start'), {
          instanceId,
          runbookId: 'timed',
          inputs,
          agentId: 'load',
          unattended: true,
        }),
      ),
    );
  }
  const begun = await eventually(async () => {
    await sleep(200);
    const found = await cluster.app.query<{ ms: number }>(
      `select (extract(epoch from recorded_at - $1::timestamptz) * 1000)::float8 as ms
         from leasehold.executions where instance_id like 'due-%' and kind = 'started'`,
      [inputs.at],
    );
    return found.rows.length === count ? found.rows.map(({ ms }) => ms) : undefined;
  });
  begun.sort((a, b) => a - b);
  return { median: begun[Math.floor(count / 2)] ?? 0, worst: begun.at(-1) ?? 0 };
}

async function wakeAll(cluster: TestCluster, count: number): Promise<DueLoadResult['wake']> {
  const before = await loadOf(cluster);
  await cluster.app.query(
    `insert into leasehold.claims (claim_id, revision, status, agent_id)
       values ('crowd-claim-0', 1, 'open', 'load')`,
  );
  const claimMs = performance.now() - before.atMs;
  let peakSessions = 0;
  await eventually(async () => {
    await sleep(250);
    const { rows } = await cluster.app.query<{ left: string; sessions: string }>(
      `select (select count(*) from leasehold_projection.unattended
                 where claim_id = 'crowd-claim-0') as left,
         (select count(*) from pg_stat_activity
            where state = 'active' and application_name like 'leasehold-r%'
              and datname = current_database()) as sessions`,
    );
    peakSessions = Math.max(peakSessions, Number(rows[0]!.sessions));
    return rows[0]!.left === '0' ? true : undefined;
  });
  const after = await loadOf(cluster);
  const { rows } = await cluster.app.query<{ once: string }>(
    `select count(*) as once from (
       select from leasehold.executions where instance_id like 'crowd-%'
         group by instance_id having count(*) = 1 and min(kind) = 'satisfied') o`,
  );
  const tookMs = after.atMs - before.atMs;
  return {
    claimMs,
    tookMs,
    notOnce: count - Number(rows[0]!.once),
    peakReplicaMb: Math.max(...cluster.replicas.map(({ pid }) => residentPeakKb(pid))) / 1_024,
    postgresCpu: (after.postgresMs - before.postgresMs) / tookMs,
    transactionsPerS: (after.transactions - before.transactions) / (tookMs / 1_000),
    peakSessions,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
