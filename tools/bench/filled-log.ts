import { openLog } from '../../advancer/log/postgres-log.ts';
import { fillLog } from './baselines/fill.ts';
import type { LoopResult } from './closed-loop.ts';
import type { ReplicaPool } from './replica-pool.ts';
import { throwIfStopped } from './events.ts';
import type { Progress } from './events.ts';
import { Histogram } from './histogram.ts';
import type { BenchOptions } from './options.ts';
import { Requests } from './requests.ts';
import { HELD } from './runbooks.ts';
import type { BenchStack } from './bench-stack.ts';
import { LEAD_IN_MS, loadFigure, requireExpected } from './load.ts';

const ROWS_PER_INSTANCE = 20;
const FILL_PREFIX = 'filled';
/** Pairs of an empty and a filled log; the order alternates. */
const PAIRS = 4;
const AGENTS = 32;
const WARM_UP_MS = 500;
const READS = 100;
/** As `leasehold list` and the sweeper read. */
const LIST_PAGE = 100;
const SWEEP_BATCH = 500;
const SWEEP_QUIET_MS = 500;
const LOG_TIMEOUT_MS = 60_000;

/**
 * What existing rows cost: throughput on a filled and on an empty log in the same Postgres, in
 * alternating order, and the reads that users and the sweeper make.
 */
export async function measureRows(
  stack: BenchStack,
  options: BenchOptions,
  progress: Progress,
): Promise<void> {
  const empty = await stack.createPool('empty-log');
  const filled = await stack.createPool('filled-log');
  const total = options.rows.toLocaleString('en-US');
  await fillLog(
    filled.superuserUrl,
    {
      rows: options.rows,
      runbookId: HELD.runbookId,
      prefix: FILL_PREFIX,
      rowsPerInstance: ROWS_PER_INSTANCE,
    },
    (rows) => {
      throwIfStopped(progress.stop);
      progress.note(`filling a log: ${rows.toLocaleString('en-US')} of ${total} rows`);
    },
  );
  for (const pool of [empty, filled]) await pool.start(options.replicas);
  await measurePairs(stack, options, progress, { empty, filled });
  await measureReads(stack, options, progress, filled);
  await Promise.all([empty.stop(), filled.stop()]);
}

async function measurePairs(
  stack: BenchStack,
  { durationMs, rows }: BenchOptions,
  progress: Progress,
  { empty, filled }: { empty: ReplicaPool; filled: ReplicaPool },
): Promise<void> {
  const results = new Map<ReplicaPool, LoopResult[]>([
    [empty, []],
    [filled, []],
  ]);
  for (let pair = 0; pair < PAIRS; pair += 1) {
    for (const pool of pair % 2 === 0 ? [empty, filled] : [filled, empty]) {
      throwIfStopped(progress.stop);
      progress.note(`${pool.namespace}, ${AGENTS} agents (pair ${pair + 1} of ${PAIRS})`);
      await stack.directLoadAt(pool);
      const result = await stack.load.run('held', {
        agents: AGENTS,
        prefix: `pair-${pair}`,
        warmUpMs: WARM_UP_MS,
        leadInMs: LEAD_IN_MS,
        durationMs: durationMs / 2,
      });
      results.get(pool)?.push(requireExpected(pool.namespace, result));
    }
  }
  const figure = (pool: ReplicaPool, subject: string, rowsInLog: number): void => {
    const at = { rows: rowsInLog, agents: AGENTS };
    progress.figure(loadFigure({ part: 'rows', subject, at }, results.get(pool) ?? []));
  };
  figure(empty, 'empty_log', 0);
  figure(filled, 'filled_log', rows);
}

async function measureReads(
  stack: BenchStack,
  { rows }: BenchOptions,
  progress: Progress,
  pool: ReplicaPool,
): Promise<void> {
  const instances = Math.ceil(rows / ROWS_PER_INSTANCE);
  // Spread over the whole log, in the same way in every run.
  const spread = (turn: number): string =>
    `${FILL_PREFIX}-${Math.floor(((turn * 0.618_034) % 1) * instances)}`;
  const target = { natsUrls: [stack.servers.nats.url], namespace: pool.namespace };
  const requests = await Requests.connect(target, 1);
  const log = openLog({
    url: pool.databaseUrl,
    namespace: pool.namespace,
    appendTimeoutMs: LOG_TIMEOUT_MS,
  });
  const kinds: [subject: string, read: (turn: number) => Promise<unknown>][] = [
    ['status', (turn) => requests.status(spread(turn))],
    ['list', (turn) => log.list({ after: spread(turn), limit: LIST_PAGE })],
    ['sweep', () => log.unsettled(SWEEP_BATCH, SWEEP_QUIET_MS)],
  ];
  try {
    await log.check();
    for (const [subject, read] of kinds) {
      throwIfStopped(progress.stop);
      progress.note(`reading a log of ${rows.toLocaleString('en-US')} rows: ${subject}`);
      // The first read opens the connection.
      await read(READS);
      const latencies = new Histogram();
      for (let turn = 0; turn < READS; turn += 1) {
        const sentMs = performance.now();
        await read(turn);
        latencies.record(performance.now() - sentMs);
      }
      progress.figure({
        part: 'rows',
        subject,
        at: { rows },
        values: {
          p50Ms: latencies.quantileMs(0.5),
          p99Ms: latencies.quantileMs(0.99),
          worstMs: latencies.maxMs,
        },
      });
    }
  } finally {
    await requests.close();
    await log.close();
  }
}
