import { errorText } from '../../../src/error-text.ts';
import { shellQuote } from '../../../src/shell-quote.ts';
import { packageRoot } from '../../stack/cache-dir.ts';
import type { BenchStack } from '../bench-stack.ts';
import { Interrupted, throwIfStopped } from '../events.ts';
import { durationsOf, loadFigure, requireExpected, WARM_UP_AGENTS } from '../load.ts';
import { SUBJECT_OF } from '../options.ts';
import type { ComparedScenario } from '../options.ts';
import { describeEnvironment } from '../record.ts';
import type { Environment } from '../record.ts';
import type { ReplicaPool } from '../replica-pool.ts';
import { withStack } from '../run.ts';
import { findBuild, prepareDatabase } from './build.ts';
import type { Build } from './build.ts';
import { compareRounds, orderOf } from './comparison.ts';
import type { ComparedValue, Round, Side, SideValues } from './comparison.ts';
import { cpuPerRequestUs, readUsage } from './processor-time.ts';

/** The options of `leasehold bench --compare`. */
export interface ComparisonOptions {
  /** The checkout whose build this one is compared with. */
  before: Build;
  rounds: number;
  scenarios: readonly ComparedScenario[];
  /** Numbers of agents, ascending; each is measured in every round. */
  agents: readonly number[];
  /** Of each side on each subject at each number of agents in each round, without its warm-up. */
  durationMs: number;
  /** How many replicas serve on each side. */
  replicas: number;
  /** Where compare.json and the logs go. */
  dir: string;
  env: NodeJS.ProcessEnv;
}

/** What a comparison reports while it runs. */
export type ComparisonEvent = { kind: 'note'; text: string } | ({ kind: 'round' } & Round);

/** How a caller follows and stops a comparison. */
export interface ComparisonHooks {
  onEvent: (event: ComparisonEvent) => void;
  /** Interrupts the comparison; the record has the complete rounds. */
  stop: AbortSignal;
}

/** Everything that a comparison measured, and on what: `compare.json`. */
export interface ComparisonRecord extends Environment {
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
 * build can differ in speed for as long as they run, since each compiles its code differently. The
 * side that starts first has been seen to be up to 5 % faster, so the order of starting changes,
 * too.
 */
const ROUNDS_PER_PROCESS = 2;
/** New replicas run code that is not compiled yet; this many times `durationMs` is thrown away. */
const WARM_UP_TIMES = 3;

/**
 * Compares two builds on the same servers in interleaved rounds. In each round, on each subject and
 * at each number of agents all sides advance instances, one side right after another.
 *
 * @throws NoStack
 */
export async function runComparison(
  options: ComparisonOptions,
  { onEvent, stop }: ComparisonHooks,
): Promise<ComparisonRecord> {
  const after = findBuild(packageRoot());
  const startedAt = new Date().toISOString();
  const beganMs = performance.now();
  const note = (text: string): void => onEvent({ kind: 'note', text });
  return withStack(options, { note, stop }, async (stack) => {
    const environment = await describeEnvironment(stack.servers);
    const rounds: Round[] = [];
    let failure: string | undefined;
    try {
      await measureRounds({ stack, options, after, note, stop }, (round) => {
        rounds.push(round);
        onEvent({ kind: 'round', ...round });
      });
    } catch (error) {
      if (!stop.aborted && !(error instanceof Interrupted)) failure = errorText(error);
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
      ...environment,
      rounds,
      compared: compareRounds(rounds),
    };
  });
}

interface Running {
  stack: BenchStack;
  options: ComparisonOptions;
  after: Build;
  note: (text: string) => void;
  stop: AbortSignal;
}

type Pools = Readonly<Record<Side, ReplicaPool>>;

async function measureRounds(running: Running, onRound: (round: Round) => void): Promise<void> {
  const { stack, options, note, stop } = running;
  let pools: Pools | undefined;
  for (let round = 1; round <= options.rounds; round += 1) {
    if (pools === undefined || (round - 1) % ROUNDS_PER_PROCESS === 0) {
      await stack.clear();
      pools = await startSides(running, round);
    }
    const points = options.scenarios.flatMap((scenario) =>
      options.agents.map((agents) => ({ round, subject: SUBJECT_OF[scenario], agents })),
    );
    for (const point of points) {
      const values: Partial<Record<Side, SideValues>> = {};
      for (const side of orderOf(round)) {
        throwIfStopped(stop);
        note(
          `round ${round} of ${options.rounds}: ${side}, ${point.subject}, ${point.agents} agents`,
        );
        values[side] = await measureSide(running, pools[side], { ...point, side });
      }
      onRound({ ...point, values: values as Record<Side, SideValues> });
    }
  }
}

/** Starts the replicas of every side and warms them up. */
async function startSides(running: Running, round: number): Promise<Pools> {
  const { stack, options, note, stop } = running;
  const { replicas, durationMs } = options;
  const order = orderOf(1 + (round - 1) / ROUNDS_PER_PROCESS);
  const pools: Partial<Record<Side, ReplicaPool>> = {};
  for (const side of order) {
    throwIfStopped(stop);
    note(`${side}: starting ${replicas} ${replicas === 1 ? 'replica' : 'replicas'}`);
    const pool = await createPool(running, side, round);
    await pool.start(replicas);
    pools[side] = pool;
  }
  const started = pools as Pools;
  for (const side of order) {
    throwIfStopped(stop);
    note(`${side}: warming up`);
    await stack.directLoadAt(started[side]);
    for (const scenario of options.scenarios) {
      const subject = SUBJECT_OF[scenario];
      const result = await stack.load.run(subject, {
        ...durationsOf(durationMs),
        agents: WARM_UP_AGENTS,
        prefix: `warm-up-${subject}`,
        durationMs: WARM_UP_TIMES * durationMs,
      });
      requireExpected(`${side}: warm-up`, result);
    }
  }
  return started;
}

function createPool(
  { stack, options, after }: Running,
  side: Side,
  round: number,
): Promise<ReplicaPool> {
  const build = side === 'before' ? options.before : after;
  return stack.createPool(`compare-${side}-${round}`, {
    mainScript: build.mainScript,
    prepareDatabase: (superuserUrl, namespace) => prepareDatabase(build, superuserUrl, namespace),
  });
}

async function measureSide(
  { stack, options }: Running,
  pool: ReplicaPool,
  { round, subject, agents, side }: Omit<Round, 'values'> & { side: Side },
): Promise<SideValues> {
  await stack.directLoadAt(pool);
  const usageBefore = await readUsage(pool);
  const result = await stack.load.run(subject, {
    ...durationsOf(options.durationMs),
    agents,
    prefix: `${subject}-r${round}-${agents}`,
  });
  const cpuUs = cpuPerRequestUs(usageBefore, await readUsage(pool));
  requireExpected(`${side}, ${subject}, at ${agents} agents in round ${round}`, result);
  const figure = loadFigure({ part: 'load', subject, at: { agents } }, [result]);
  const { perS, p50Ms, p99Ms } = figure.values;
  return { perS, cpuUs, p50Ms, p99Ms };
}

/** The command line that measures the same again. */
function commandOf(options: ComparisonOptions): string {
  const { before, rounds, scenarios, agents, durationMs, replicas } = options;
  return [
    `leasehold bench --compare ${shellQuote(before.dir)} --rounds ${rounds}`,
    `--scenario ${scenarios.join(',')} --agents ${agents.join(',')}`,
    `--duration ${durationMs}ms --replicas ${replicas}`,
  ].join(' ');
}
