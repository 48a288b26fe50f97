import { Histogram } from './histogram.ts';
import type { HistogramData } from './histogram.ts';

/**
 * How one operation ended. `exhausted`: no prepared instance is left, which ends the measurement
 * early. `unexpected`: it ended otherwise than it should.
 */
export type StepResult =
  { kind: 'done' } | { kind: 'exhausted' } | { kind: 'unexpected'; why: string };

/** What a number of agents did in a measured time. */
export interface LoopResult {
  operations: number;
  /** How long was measured; shorter than requested if the prepared instances ran out. */
  elapsedMs: number;
  latencies: HistogramData;
  /** Operations that ended otherwise than they should; a figure with any of them is void. */
  unexpected: number;
  /** The reason of the first of them. */
  firstUnexpected: string | undefined;
}

/** One run of a closed loop. */
export interface ClosedLoopOptions {
  agents: number;
  /** How long is measured. */
  durationMs: number;
  /** How long the loop runs before counting starts. Default 0. */
  leadInMs?: number;
}

export const DONE: StepResult = { kind: 'done' };
export const EXHAUSTED: StepResult = { kind: 'exhausted' };
/** A loop in which this many operations end unexpectedly stops early. */
const MAX_UNEXPECTED = 100;

/**
 * A closed loop: each agent does one operation after another, without a pause. It counts operations
 * that end within the measured time, whenever they began. So neither the start, when all agents
 * begin together, nor the end, when each has an operation under way, makes slow operations look
 * fewer or faster than they are.
 */
export async function closedLoop(
  { agents, durationMs, leadInMs = 0 }: ClosedLoopOptions,
  step: (agent: number) => Promise<StepResult>,
): Promise<LoopResult> {
  const latencies = new Histogram();
  let [operations, unexpected] = [0, 0];
  let firstUnexpected: string | undefined;
  const beganMs = performance.now() + leadInMs;
  let endMs = beganMs + durationMs;
  const runAgent = async (agent: number): Promise<void> => {
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
      if (result.kind === 'unexpected') {
        unexpected += 1;
        firstUnexpected ??= result.why;
        if (unexpected > MAX_UNEXPECTED) endMs = nowMs;
        continue;
      }
      if (nowMs < beganMs) continue;
      operations += 1;
      latencies.record(nowMs - sentMs);
    }
  };
  await Promise.all(Array.from({ length: agents }, (_, agent) => runAgent(agent)));
  return {
    operations,
    elapsedMs: Math.max(0, endMs - beganMs),
    latencies: latencies.data(),
    unexpected,
    firstUnexpected,
  };
}

/** A {@link closedLoop} for operations that need no preparation: warms up, then measures. */
export async function warmedUpLoop(
  { warmUpMs, ...measured }: Required<ClosedLoopOptions> & { warmUpMs: number },
  step: (agent: number) => Promise<StepResult>,
): Promise<LoopResult> {
  await closedLoop({ agents: measured.agents, durationMs: warmUpMs }, step);
  return closedLoop(measured, step);
}
