import type { LoopResult, StepResult } from './closed-loop.ts';
import { Histogram } from './histogram.ts';

/** The result of requests at a steady rate. */
export interface OpenLoopResult extends LoopResult {
  /** How many were due but never sent, because every agent was waiting for an answer. */
  notSent: number;
}

/** One run of an open loop. */
export interface OpenLoopOptions {
  /** At most this many operations are under way at once. */
  agents: number;
  /** The rate at which operations are due. */
  perS: number;
  durationMs: number;
}

/**
 * An open loop: operations are due at a steady rate, whether or not the earlier ones have ended.
 * Latency counts from when an operation was due, so that one that had to wait behind a slow one
 * counts as late as its client sees it (Tene's "coordinated omission"). An operation that was due
 * but never sent counts with its delay at the end.
 */
export async function openLoop(
  { agents, perS, durationMs }: OpenLoopOptions,
  step: (agent: number) => Promise<StepResult>,
): Promise<OpenLoopResult> {
  const latencies = new Histogram();
  const idle = Array.from({ length: agents }, (_, agent) => agent);
  const underWay = new Set<Promise<void>>();
  let [operations, unexpected, sent] = [0, 0, 0];
  let firstUnexpected: string | undefined;
  const beganMs = performance.now();
  const intervalMs = 1_000 / perS;
  const total = Math.floor(durationMs / intervalMs);
  const dueMs = (index: number): number => beganMs + index * intervalMs;
  let over = false;

  const send = async (agent: number, index: number): Promise<void> => {
    const result = await step(agent);
    latencies.record(performance.now() - dueMs(index));
    idle.push(agent);
    if (result.kind === 'done') operations += 1;
    else {
      unexpected += 1;
      firstUnexpected ??=
        result.kind === 'unexpected' ? result.why : 'no prepared instance is left';
    }
    sendDue();
  };
  const sendDue = (): void => {
    if (over) return;
    const nowMs = performance.now();
    while (sent < total && dueMs(sent) <= nowMs) {
      const agent = idle.shift();
      if (agent === undefined) return;
      const operation: Promise<void> = send(agent, sent).finally(() => underWay.delete(operation));
      underWay.add(operation);
      sent += 1;
    }
  };
  // The timer is coarser than the rate: operations that fell due between two ticks go out together.
  const timer = setInterval(sendDue, 1);
  await new Promise((resolve) => setTimeout(resolve, durationMs));
  clearInterval(timer);
  over = true;
  const endMs = performance.now();
  for (let index = sent; index < total; index += 1) latencies.record(endMs - dueMs(index));
  await Promise.all(underWay);
  return {
    operations,
    elapsedMs: durationMs,
    latencies: latencies.data(),
    unexpected,
    firstUnexpected,
    notSent: total - sent,
  };
}
