import type { LoopResult } from './closed-loop.ts';
import type { Crew } from './crew.ts';
import { goOn } from './events.ts';
import type { Progress } from './events.ts';
import type { Figure } from './figure.ts';
import type { SteadyResult } from './load-orders.ts';
import type { BenchOptions } from './options.ts';
import type { Stage } from './stage.ts';
import { LEAD_IN_MS, loadFigure, RUN_IN_AGENTS, sound } from './sweep.ts';

const REQUESTS_PER_S = 1_000;
const PEAK_AGENTS = 128;
const WARM_UP_MS = 1_000;
const MANY = 8;

/**
 * How many serve, and whether they are asked as the client for agents does it or by broadcasts
 * only.
 */
interface Way {
  subject: string;
  words: string;
  count: number;
  broadcastOnly: boolean;
}

const ONE: Way = { subject: 'one_replica', words: 'one replica', count: 1, broadcastOnly: false };
const EIGHT: Way = {
  subject: 'eight_replicas',
  words: 'eight replicas',
  count: MANY,
  broadcastOnly: false,
};
const BROADCASTS: Way = {
  ...EIGHT,
  subject: 'eight_replicas_by_broadcast',
  words: 'eight replicas, by broadcast',
  broadcastOnly: true,
};
/** There and back again. */
const TURNS: readonly Way[] = [ONE, EIGHT, BROADCASTS, BROADCASTS, EIGHT, ONE];

interface Measured {
  steady: SteadyResult[];
  peak: LoopResult[];
}

/**
 * What replicas cost that are there beside the one that would do, asked as agents ask and by
 * broadcasts only.
 */
export async function measureReplicas(
  stage: Stage,
  { durationMs }: BenchOptions,
  progress: Progress,
): Promise<void> {
  const crew = await stage.crew('replicas');
  const found = new Map<Way, Measured>();
  for (const [turn, way] of TURNS.entries()) {
    goOn(progress.stop);
    const { words, broadcastOnly } = way;
    const measured = found.get(way) ?? { steady: [], peak: [] };
    found.set(way, measured);
    const point = { prefix: `t${turn}`, warmUpMs: WARM_UP_MS, durationMs: durationMs / 2 };
    await stage.aimAt(crew, { broadcastOnly });
    await prepare(stage, crew, way, point, durationMs, progress);
    progress.note(`${words}, ${REQUESTS_PER_S} requests a second`);
    const monitorUrl = stage.servers.natsMonitorUrl;
    const steady = await stage.load.ask('steady', { ...point, perS: REQUESTS_PER_S, monitorUrl });
    measured.steady.push(sound(words, steady));
    progress.note(`${words}, ${PEAK_AGENTS} agents`);
    const peak = await stage.load.ask('held', {
      ...point,
      prefix: `${point.prefix}-peak`,
      agents: PEAK_AGENTS,
      leadInMs: LEAD_IN_MS,
    });
    measured.peak.push(sound(words, peak));
  }
  for (const [{ subject }, { steady, peak }] of found) {
    progress.figure(steadyFigure(subject, steady));
    progress.figure(loadFigure({ part: 'replicas', subject, at: { agents: PEAK_AGENTS } }, peak));
  }
  await crew.stop();
}

/** Sees to it that as many run as are to, and that they have run in. */
async function prepare(
  stage: Stage,
  crew: Crew,
  { words, count }: Way,
  point: { prefix: string; warmUpMs: number },
  durationMs: number,
  progress: Progress,
): Promise<void> {
  const running = crew.members.length;
  if (running < count) {
    progress.note(`starting ${count - running} more`);
    await crew.start(count - running);
  } else if (running > count) await crew.stopAllBut(count);
  // Replicas that have just been started run code that is not compiled yet, and there is no more to
  // run in with for many.
  progress.note(`${words}, running in`);
  const runIn = { ...point, prefix: `${point.prefix}-run-in`, agents: RUN_IN_AGENTS, leadInMs: 0 };
  const shares = running < count ? count : 1;
  sound(words, await stage.load.ask('held', { ...runIn, durationMs: durationMs * shares }));
}

function steadyFigure(subject: string, steady: readonly SteadyResult[]): Figure {
  const figure = loadFigure(
    { part: 'replicas', subject, at: { requestsPerS: REQUESTS_PER_S } },
    steady,
  );
  const requests = steady.reduce((sum, { operations }) => sum + operations, 0);
  const per = (of: (result: SteadyResult) => number): number =>
    steady.reduce((sum, result) => sum + of(result), 0) / requests;
  return {
    ...figure,
    values: {
      ...figure.values,
      deliveredPerRequest: per(({ traffic }) => traffic.delivered),
      publishedPerRequest: per(({ traffic }) => traffic.published),
      neverAsked: steady.reduce((sum, { behind }) => sum + behind, 0),
    },
  };
}
