import type { LoopResult } from './closed-loop.ts';
import { goOn } from './events.ts';
import type { Progress } from './events.ts';
import type { SteadyResult } from './load-orders.ts';
import type { BenchOptions } from './options.ts';
import type { Stage } from './stage.ts';
import { LEAD_IN_MS, loadFigure, RUN_IN_AGENTS, sound } from './sweep.ts';

const REQUESTS_PER_S = 1_000;
const PEAK_AGENTS = 128;
const WARM_UP_MS = 1_000;
const MANY = 8;

interface Measured {
  steady: SteadyResult[];
  peak: LoopResult[];
}

/** What replicas cost that are there beside the one that would do: one, eight, and one again. */
export async function measureReplicas(
  stage: Stage,
  { durationMs }: BenchOptions,
  progress: Progress,
): Promise<void> {
  const crew = await stage.crew('replicas');
  const byCount = new Map<number, Measured>();
  for (const [turn, count] of [1, MANY, MANY, 1].entries()) {
    goOn(progress.stop);
    const running = crew.members.length;
    if (running < count) {
      progress.note(`starting ${count - running} more`);
      await crew.start(count - running);
    } else if (running > count) await crew.stopAllBut(count);
    await stage.aimAt(crew);
    const measured = byCount.get(count) ?? { steady: [], peak: [] };
    byCount.set(count, measured);
    const point = { prefix: `t${turn}`, warmUpMs: WARM_UP_MS, durationMs: durationMs / 2 };
    const name = count === 1 ? 'one replica' : `${count} replicas`;

    // Replicas that have just been started run code that is not compiled yet, and there is no more to run in with for many.
    progress.note(`${name}, running in`);
    const runIn = { ...point, prefix: `${point.prefix}-run-in`, agents: RUN_IN_AGENTS, leadInMs: 0 };
    await stage.load.ask('held', { ...runIn, durationMs: durationMs * (running < count ? count : 1) });
    progress.note(`${name}, ${REQUESTS_PER_S} requests a second`);
    const monitorUrl = stage.servers.natsMonitorUrl;
    const steady = await stage.load.ask('steady', { ...point, perS: REQUESTS_PER_S, monitorUrl });
    sound(name, steady);
    measured.steady.push(steady);
    progress.note(`${name}, ${PEAK_AGENTS} agents`);
    const peak = await stage.load.ask('held', {
      ...point,
      prefix: `${point.prefix}-peak`,
      agents: PEAK_AGENTS,
      leadInMs: LEAD_IN_MS,
    });
    measured.peak.push(sound(name, peak));
  }
  for (const [count, { steady, peak }] of byCount) {
    const subject = count === 1 ? 'one_replica' : 'eight_replicas';
    const figure = loadFigure({ part: 'replicas', subject, at: { requestsPerS: REQUESTS_PER_S } }, steady);
    const requests = steady.reduce((sum, { operations }) => sum + operations, 0);
    const per = (of: (result: SteadyResult) => number): number =>
      steady.reduce((sum, result) => sum + of(result), 0) / requests;
    progress.figure({
      ...figure,
      values: {
        ...figure.values,
        deliveredPerRequest: per(({ traffic }) => traffic.delivered),
        publishedPerRequest: per(({ traffic }) => traffic.published),
        neverAsked: steady.reduce((sum, { behind }) => sum + behind, 0),
      },
    });
    progress.figure(loadFigure({ part: 'replicas', subject, at: { agents: PEAK_AGENTS } }, peak));
  }
  await crew.stop();
}
