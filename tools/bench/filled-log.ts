import type { LoopResult } from './closed-loop.ts';
import type { Crew } from './crew.ts';
import { goOn } from './events.ts';
import type { Progress } from './events.ts';
import { Histogram } from './histogram.ts';
import type { BenchOptions } from './options.ts';
import { Requests } from './requests.ts';
import { HELD } from './runbooks.ts';
import type { Stage } from './stage.ts';
import { LEAD_IN_MS, loadFigure, sound } from './sweep.ts';

const ROWS_PER_INSTANCE = 20;
const FILL_PREFIX = 'filled';
/** Pairs of an empty and a filled log, each in the other order than the one before. */
const PAIRS = 4;
const AGENTS = 32;
const WARM_UP_MS = 500;
const READS = 100;

/**
 * What rows that are there already cost: throughput on a filled and an empty log in the same
 * Postgres, turn about, and the reads that people and the sweeper make; then one instance that
 * grows long.
 */
export async function measureRows(
  stage: Stage,
  options: BenchOptions,
  progress: Progress,
): Promise<void> {
  const empty = await stage.crew('empty-log');
  const filled = await stage.crew('filled-log');
  await stage.ports.fillLog(
    filled.superuserUrl,
    {
      rows: options.rows,
      runbookId: HELD.runbookId,
      prefix: FILL_PREFIX,
      rowsPerInstance: ROWS_PER_INSTANCE,
    },
    (rows) => {
      goOn(progress.stop);
      progress.note(
        `filling a log: ${rows.toLocaleString('en-US')} of ${options.rows.toLocaleString('en-US')} rows`,
      );
    },
  );
  for (const crew of [empty, filled]) await crew.start(options.replicas);
  await measurePairs(stage, options, progress, { empty, filled });
  await measureReads(stage, options, progress, filled);
  await Promise.all([empty.stop(), filled.stop()]);
}

async function measurePairs(
  stage: Stage,
  { durationMs, rows }: BenchOptions,
  progress: Progress,
  { empty, filled }: { empty: Crew; filled: Crew },
): Promise<void> {
  const results = new Map<Crew, LoopResult[]>([
    [empty, []],
    [filled, []],
  ]);
  for (let pair = 0; pair < PAIRS; pair += 1) {
    for (const crew of pair % 2 === 0 ? [empty, filled] : [filled, empty]) {
      goOn(progress.stop);
      progress.note(`${crew.namespace}, ${AGENTS} agents (pair ${pair + 1} of ${PAIRS})`);
      await stage.aimAt(crew);
      const result = await stage.load.ask('held', {
        agents: AGENTS,
        prefix: `pair-${pair}`,
        warmUpMs: WARM_UP_MS,
        leadInMs: LEAD_IN_MS,
        durationMs: durationMs / 2,
      });
      results.get(crew)?.push(sound(crew.namespace, result));
    }
  }
  const figure = (crew: Crew, subject: string, inLog: number): void => {
    const at = { rows: inLog, agents: AGENTS };
    progress.figure(loadFigure({ part: 'rows', subject, at }, results.get(crew) ?? []));
  };
  figure(empty, 'empty_log', 0);
  figure(filled, 'filled_log', rows);
}

async function measureReads(
  stage: Stage,
  { rows }: BenchOptions,
  progress: Progress,
  crew: Crew,
): Promise<void> {
  const instances = Math.ceil(rows / ROWS_PER_INSTANCE);
  // Spread over the whole log, the same in every run.
  const spread = (turn: number): string =>
    `${FILL_PREFIX}-${Math.floor(((turn * 0.618_034) % 1) * instances)}`;
  const target = { natsUrls: [stage.servers.nats.url], namespace: crew.namespace };
  const requests = await Requests.connect(target, 1);
  const reads = await stage.ports.openReads(crew.databaseUrl, crew.namespace);
  const kinds: [subject: string, read: (turn: number) => Promise<unknown>][] = [
    ['status', (turn) => requests.status(spread(turn))],
    ['list', (turn) => reads.list(spread(turn))],
    ['sweep', () => reads.sweep()],
  ];
  try {
    for (const [subject, read] of kinds) {
      goOn(progress.stop);
      progress.note(`reading a log of ${rows.toLocaleString('en-US')} rows: ${subject}`);
      // The first one connects.
      await read(READS);
      const latencies = new Histogram();
      for (let turn = 0; turn < READS; turn += 1) {
        const askedMs = performance.now();
        await read(turn);
        latencies.record(performance.now() - askedMs);
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
    await reads.close();
  }
}
