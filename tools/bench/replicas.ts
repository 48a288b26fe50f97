import type { BenchStack } from './bench-stack.ts';
import type { LoopResult } from './closed-loop.ts';
import { throwIfStopped } from './events.ts';
import type { Progress } from './events.ts';
import type { Figure } from './figure.ts';
import type { SteadyResult } from './load-jobs.ts';
import { LEAD_IN_MS, loadFigure, requireExpected, WARM_UP_AGENTS } from './load.ts';
import type { BenchOptions } from './options.ts';
import type { ReplicaPool } from './replica-pool.ts';

const REQUESTS_PER_S = 1_000;
const PEAK_AGENTS = 128;
const WARM_UP_MS = 1_000;
const MANY = 8;

/** How many replicas run, and whether requests go to the holder first or are all broadcast. */
interface Configuration {
  subject: string;
  name: string;
  replicas: number;
  broadcastOnly: boolean;
}

const ONE: Configuration = {
  subject: 'one_replica',
  name: 'one replica',
  replicas: 1,
  broadcastOnly: false,
};
const EIGHT: Configuration = {
  subject: 'eight_replicas',
  name: 'eight replicas',
  replicas: MANY,
  broadcastOnly: false,
};
const EIGHT_BY_BROADCAST: Configuration = {
  ...EIGHT,
  subject: 'eight_replicas_by_broadcast',
  name: 'eight replicas, by broadcast',
  broadcastOnly: true,
};
/** Forth and back. */
const TURNS: readonly Configuration[] = [
  ONE,
  EIGHT,
  EIGHT_BY_BROADCAST,
  EIGHT_BY_BROADCAST,
  EIGHT,
  ONE,
];

interface Results {
  steady: SteadyResult[];
  peak: LoopResult[];
}

/**
 * What more replicas cost than the one that would do, with requests sent as the client for agents
 * sends them, and with broadcasts only.
 */
export async function measureReplicas(
  stack: BenchStack,
  { durationMs }: BenchOptions,
  progress: Progress,
): Promise<void> {
  const pool = await stack.createPool('replicas');
  const results = new Map<Configuration, Results>();
  for (const [turn, configuration] of TURNS.entries()) {
    throwIfStopped(progress.stop);
    const { name, broadcastOnly } = configuration;
    const own = results.get(configuration) ?? { steady: [], peak: [] };
    results.set(configuration, own);
    const point = { prefix: `t${turn}`, warmUpMs: WARM_UP_MS, durationMs: durationMs / 2 };
    await stack.directLoadAt(pool, { broadcastOnly });
    await scaleAndWarmUp({ stack, pool, progress }, configuration, `t${turn}-run-in`, durationMs);
    progress.note(`${name}, ${REQUESTS_PER_S} requests per second`);
    const monitorUrl = stack.servers.natsMonitorUrl;
    const steady = await stack.load.run('steady', { ...point, perS: REQUESTS_PER_S, monitorUrl });
    own.steady.push(requireExpected(name, steady));
    progress.note(`${name}, ${PEAK_AGENTS} agents`);
    const peak = await stack.load.run('held', {
      ...point,
      prefix: `t${turn}-peak`,
      agents: PEAK_AGENTS,
      leadInMs: LEAD_IN_MS,
    });
    own.peak.push(requireExpected(name, peak));
  }
  for (const [{ subject }, { steady, peak }] of results) {
    progress.figure(steadyFigure(subject, steady));
    progress.figure(loadFigure({ part: 'replicas', subject, at: { agents: PEAK_AGENTS } }, peak));
  }
  await pool.stop();
}

interface Running {
  stack: BenchStack;
  pool: ReplicaPool;
  progress: Progress;
}

/** Starts or drains replicas until the configured number runs, and warms them up. */
async function scaleAndWarmUp(
  { stack, pool, progress }: Running,
  { name, replicas }: Configuration,
  prefix: string,
  durationMs: number,
): Promise<void> {
  const running = pool.replicas.length;
  if (running < replicas) {
    progress.note(`starting ${replicas - running} more`);
    await pool.start(replicas - running);
  } else if (running > replicas) await pool.stopAllBut(replicas);
  // New replicas run code that is not compiled yet, and many share the load that compiles it.
  progress.note(`${name}, warming up`);
  const shares = running < replicas ? replicas : 1;
  const result = await stack.load.run('held', {
    prefix,
    warmUpMs: WARM_UP_MS,
    leadInMs: 0,
    agents: WARM_UP_AGENTS,
    durationMs: durationMs * shares,
  });
  requireExpected(name, result);
}

function steadyFigure(subject: string, steady: readonly SteadyResult[]): Figure {
  const at = { requestsPerS: REQUESTS_PER_S };
  const figure = loadFigure({ part: 'replicas', subject, at }, steady);
  const requests = steady.reduce((sum, { operations }) => sum + operations, 0);
  const perRequest = (of: (result: SteadyResult) => number): number =>
    steady.reduce((sum, result) => sum + of(result), 0) / requests;
  return {
    ...figure,
    values: {
      ...figure.values,
      deliveredPerRequest: perRequest(({ traffic }) => traffic.delivered),
      publishedPerRequest: perRequest(({ traffic }) => traffic.published),
      neverAsked: steady.reduce((sum, { notSent }) => sum + notSent, 0),
    },
  };
}
