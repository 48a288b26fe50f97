import type { LoopResult, StepResult } from './closed-loop.ts';
import { Histogram } from './histogram.ts';

/** What came of asking at a steady rate. */
export interface OpenLoopResult extends LoopResult {
  /**
   * How many were due and could not even be asked in time, since every agent was waiting for an
   * answer.
   */
  behind: number;
}

/**
 * An open loop: operations are due at a steady rate, whether or not the ones before have ended.
 * Latency counts from when an operation was due, so that one which had to wait for a slow one is as
 * late as its asker found it (Tene's "coordinated omission"). What was due in the end and never
 * asked counts as late as it was then.
 *
 * @param agents how many operations may be under way at once, at most
 */
export async function openLoop(
  agents: number,
  perS: number,
  durationMs: number,
  step: (agent: number) => Promise<StepResult>,
): Promise<OpenLoopResult> {
  const latencies = new Histogram();
  const idle = Array.from({ length: agents }, (_, agent) => agent);
  const underWay = new Set<Promise<void>>();
  let [operations, wrong, asked] = [0, 0, 0];
  let firstWrong: string | undefined;
  const beganMs = performance.now();
  const everyMs = 1_000 / perS;
  const total = Math.floor(durationMs / everyMs);
  const dueMs = (index: number): number => beganMs + index * everyMs;
  let over = false;

  const ask = async (agent: number, index: number): Promise<void> => {
    const result = await step(agent);
    latencies.record(performance.now() - dueMs(index));
    idle.push(agent);
    if (result.kind === 'done') operations += 1;
    else {
      wrong += 1;
      firstWrong ??= result.kind === 'wrong' ? result.why : 'nothing is left to ask for';
    }
    begin();
  };
  const begin = (): void => {
    if (over) return;
    const nowMs = performance.now();
    while (asked < total && dueMs(asked) <= nowMs) {
      const agent = idle.shift();
      if (agent === undefined) return;
      const asking: Promise<void> = ask(agent, asked).finally(() => underWay.delete(asking));
      underWay.add(asking);
      asked += 1;
    }
  };
  // The timer is coarser than the rate; what fell due between two of its turns is asked together.
  const timer = setInterval(begin, 1);
  await new Promise((resolve) => setTimeout(resolve, durationMs));
  clearInterval(timer);
  over = true;
  const endMs = performance.now();
  for (let index = asked; index < total; index += 1) latencies.record(endMs - dueMs(index));
  await Promise.all(underWay);
  const behind = total - asked;
  return {
    operations,
    elapsedMs: durationMs,
    latencies: latencies.data(),
    wrong,
    firstWrong,
    behind,
  };
}
