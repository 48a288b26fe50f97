import { setMaxListeners } from 'node:events';

import { errorText } from '../../../src/error-text.ts';
import { packageRoot } from '../../stack/cache-dir.ts';
import type { Crew } from '../crew.ts';
import { BrokenOff, goOn } from '../events.ts';
import { surroundings } from '../record.ts';
import type { Surroundings } from '../record.ts';
import { NoStack } from '../run.ts';
import type { BenchPorts } from '../ports.ts';
import { Stage } from '../stage.ts';
import { LEAD_IN_MS, loadFigure, RUN_IN_AGENTS, sound } from '../sweep.ts';
import { findBuild, prepareDatabase } from './build.ts';
import type { Build } from './build.ts';
import { compareRounds, orderOf, SIDES } from './comparison.ts';
import type { ComparedValue, Round, Side, SideValues } from './comparison.ts';

/** What `leasehold bench --compare` was asked for. */
export interface ComparisonOptions {
  /** The checkout whose build this one is compared with. */
  before: Build;
  rounds: number;
  /** Numbers of agents, ascending; each is measured in every round. */
  agents: readonly number[];
  /** Of each side at each number of agents in each round, without its warm-up. */
  durationMs: number;
  /** How many replicas serve on each side. */
  replicas: number;
  /** Where compare.json and the logs go. */
  dir: string;
  env: NodeJS.ProcessEnv;
}

/** What a comparison reports while it runs. */
export type ComparisonEvent = { kind: 'note'; text: string } | ({ kind: 'round' } & Round);

/** What the caller of a comparison provides. */
export interface ComparisonHooks {
  ports: BenchPorts;
  tell: (event: ComparisonEvent) => void;
  /** Ends the comparison; the record has the rounds that were complete. */
  stop: AbortSignal;
}

/** Everything that a comparison measured, and on what: `compare.json`. */
export interface ComparisonRecord extends Surroundings {
  format: 1;
  /** ISO 8601. */
  startedAt: string;
  durationMs: number;
  command: string;
  before: Build;
  after: Build;
  ended: 'complete' | 'broken_off' | 'failed';
  /** Why it failed. */
  failure?: string;
  rounds: readonly Round[];
  compared: readonly ComparedValue[];
}

/**
 * After this many rounds every side gets new replicas and a new database: two processes of one
 * build differ by a few per cent for as long as they run, since they compile their code differently.
 */
const ROUNDS_PER_PROCESS = 5;
const MAX_WARM_UP_MS = 1_000;
/** New replicas run code that is not compiled yet; this many times `durationMs` is thrown away. */
const RUN_IN_TIMES = 3;

/**
 * Compares two builds on the same servers in interleaved rounds. In each round and at each number of
 * agents all three sides advance held instances, one side right after another.
 *
 * @throws NoStack
 */
export async function runComparison(
  options: ComparisonOptions,
  { ports, tell, stop }: ComparisonHooks,
): Promise<ComparisonRecord> {
  setMaxListeners(0, stop);
  const after = findBuild(packageRoot());
  const startedAt = new Date().toISOString();
  const beganMs = performance.now();
  const note = (text: string): void => tell({ kind: 'note', text });
  const stage = await Stage.set(options, ports, note).catch((cause: unknown) => {
    throw new NoStack(errorText(cause), { cause });
  });
  const breakOff = (): void => void stage.stop();
  stop.addEventListener('abort', breakOff, { once: true });
  const rounds: Round[] = [];
  let failure: string | undefined;
  try {
    const around = await surroundings(stage.servers);
    try {
      await measureRounds({ stage, options, after, note, stop }, (round) => {
        rounds.push(round);
        tell({ kind: 'round', ...round });
      });
    } catch (error) {
      if (!stop.aborted && !(error instanceof BrokenOff)) failure = errorText(error);
    }
    return {
      format: 1,
      startedAt,
      durationMs: Math.round(performance.now() - beganMs),
      command: commandOf(options),
      before: options.before,
      after,
      ended: stop.aborted ? 'broken_off' : failure === undefined ? 'complete' : 'failed',
      ...(failure !== undefined && { failure }),
      ...around,
      rounds,
      compared: compareRounds(rounds),
    };
  } finally {
    stop.removeEventListener('abort', breakOff);
    await stage.stop();
  }
}

interface Measuring {
  stage: Stage;
  options: ComparisonOptions;
  after: Build;
  note: (text: string) => void;
  stop: AbortSignal;
}

async function measureRounds(
  measuring: Measuring,
  measured: (round: Round) => void,
): Promise<void> {
  const { stage, options, note, stop } = measuring;
  let pools: Readonly<Record<Side, Crew>> | undefined;
  for (let round = 1; round <= options.rounds; round += 1) {
    if (pools === undefined || round % ROUNDS_PER_PROCESS === 1) {
      await stage.clear();
      pools = await startSides(measuring, round);
    }
    for (const agents of options.agents) {
      const values: Partial<Record<Side, SideValues>> = {};
      for (const side of orderOf(round)) {
        goOn(stop);
        note(`round ${round} of ${options.rounds}: ${side}, ${agents} agents`);
        values[side] = await measureSide(measuring, pools[side], { round, agents, side });
      }
      measured({ round, agents, values: values as Record<Side, SideValues> });
    }
  }
}

/** Starts every side's replicas, and lets them run until their code is compiled. */
async function startSides(
  { stage, options, after, note, stop }: Measuring,
  round: number,
): Promise<Readonly<Record<Side, Crew>>> {
  const { before, replicas, durationMs } = options;
  const pools: Partial<Record<Side, Crew>> = {};
  for (const side of SIDES) {
    goOn(stop);
    note(`${side}: starting ${replicas} ${replicas === 1 ? 'replica' : 'replicas'}`);
    const build = side === 'before' ? before : after;
    const pool = await stage.crewOf(`compare-${side}-${round}`, {
      mainScript: build.mainScript,
      prepare: (superuserUrl, namespace) => prepareDatabase(build, superuserUrl, namespace),
    });
    await pool.start(replicas);
    pools[side] = pool;
  }
  for (const side of SIDES) {
    goOn(stop);
    note(`${side}: warming up`);
    await stage.aimAt(pools[side] as Crew);
    const result = await stage.load.ask('held', {
      agents: RUN_IN_AGENTS,
      prefix: 'run-in',
      warmUpMs: Math.min(MAX_WARM_UP_MS, durationMs),
      leadInMs: 0,
      durationMs: RUN_IN_TIMES * durationMs,
    });
    sound(`${side}: warm-up`, result);
  }
  return pools as Record<Side, Crew>;
}

async function measureSide(
  { stage, options: { durationMs } }: Measuring,
  pool: Crew,
  { round, agents, side }: { round: number; agents: number; side: Side },
): Promise<SideValues> {
  await stage.aimAt(pool);
  const result = await stage.load.ask('held', {
    agents,
    prefix: `r${round}-${agents}`,
    warmUpMs: Math.min(MAX_WARM_UP_MS, durationMs),
    leadInMs: Math.min(LEAD_IN_MS, durationMs / 2),
    durationMs,
  });
  sound(`${side} at ${agents} agents in round ${round}`, result);
  const { perS, p50Ms, p99Ms } = loadFigure({ part: 'load', subject: 'held', at: { agents } }, [
    result,
  ]).values as SideValues;
  return { perS, p50Ms, p99Ms };
}

/** The command line that measures the same again. */
function commandOf({ before, rounds, agents, durationMs, replicas }: ComparisonOptions): string {
  return [
    `leasehold bench --compare ${before.dir} --rounds ${rounds} --agents ${agents.join(',')}`,
    `--duration ${durationMs}ms --replicas ${replicas}`,
  ].join(' ');
}
