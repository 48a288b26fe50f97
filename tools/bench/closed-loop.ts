import { Histogram } from './histogram.ts';
import type { HistogramData } from './histogram.ts';

/**
 * What came of one operation. `exhausted`: nothing is left to do it with, which ends the measuring
 * early.
 */
export type StepResult = { kind: 'done' } | { kind: 'exhausted' } | { kind: 'wrong'; why: string };

/** What a number of agents did in a stretch of time. */
export interface LoopResult {
  operations: number;
  /** How long it was measured; shorter than asked for when something was used up. */
  elapsedMs: number;
  latencies: HistogramData;
  /**
   * Operations that ended otherwise than they should have; with one of them a figure does not
   * count.
   */
  wrong: number;
  /** What the first of them said. */
  firstWrong: string | undefined;
}

export const DONE: StepResult = { kind: 'done' };
export const EXHAUSTED: StepResult = { kind: 'exhausted' };

/**
 * A closed loop: each agent does one operation after the other, without a pause. Counted is what
 * ends within the time that is measured, whenever it began: so neither the beginning, when all
 * agents set out together, nor the end, when something is under way with each of them, makes slow
 * operations look fewer or faster than they are.
 *
 * @param leadInMs how long the loop runs before it is measured
 */
export async function closedLoop(
  agents: number,
  durationMs: number,
  step: (agent: number) => Promise<StepResult>,
  leadInMs = 0,
): Promise<LoopResult> {
  const latencies = new Histogram();
  let [operations, wrong] = [0, 0];
  let firstWrong: string | undefined;
  const beganMs = performance.now() + leadInMs;
  let endMs = beganMs + durationMs;
  const work = async (agent: number): Promise<void> => {
    for (;;) {
      const sentMs = performance.now();
      if (sentMs >= endMs) return;
      const result = await step(agent);
      const nowMs = performance.now();
      if (result.kind === 'exhausted') {
        endMs = Math.min(endMs, nowMs);
        return;
      }
      if (nowMs > endMs) return;
      if (result.kind === 'wrong') {
        wrong += 1;
        firstWrong ??= result.why;
        if (wrong > 100) endMs = nowMs;
        continue;
      }
      if (nowMs < beganMs) continue;
      operations += 1;
      latencies.record(nowMs - sentMs);
    }
  };
  await Promise.all(Array.from({ length: agents }, (_, agent) => work(agent)));
  return {
    operations,
    elapsedMs: Math.max(0, endMs - beganMs),
    latencies: latencies.data(),
    wrong,
    firstWrong,
  };
}

/** {@link closedLoop} for what needs no preparation: warmed up, then measured. */
export async function warmedUpLoop(
  point: { agents: number; warmUpMs: number; leadInMs: number; durationMs: number },
  step: (agent: number) => Promise<StepResult>,
): Promise<LoopResult> {
  await closedLoop(point.agents, point.warmUpMs, step);
  return closedLoop(point.agents, point.durationMs, step, point.leadInMs);
}
