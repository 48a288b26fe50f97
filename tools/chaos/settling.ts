import type { Agent } from '../../src/agent/agent.ts';
import type { WorkloadInstance } from './instances.ts';
import type { Random } from './random.ts';
import { sleep } from './sleep.ts';
import type { Workload } from './workload.ts';

/** How settling is limited, and how it reports its progress. */
export interface SettleOptions {
  /** On the clock of `performance.now()`. */
  deadlineMs: number;
  /** Ends it early. */
  stop: AbortSignal;
  /** Called with the number of instances that are left. */
  onProgress: (left: number) => void;
}

const AT_ONCE = 24;
const PAUSE_MS = 200;
const REQUEST_TIMEOUT_MS = 20_000;

/**
 * Drives every instance that has not ended to its end: it makes claims, and decides doubts and
 * cells that failed. An instance that does not end before the deadline is stuck.
 *
 * @returns the stuck instances
 */
export async function settle(
  workload: Workload,
  random: Random,
  options: SettleOptions,
): Promise<WorkloadInstance[]> {
  const waiting = workload.instances.unfinished;
  const agent = workload.anyAgent;
  let left = waiting.length;
  const work = async (): Promise<void> => {
    for (let instance = waiting.pop(); instance !== undefined; instance = waiting.pop()) {
      await drive(workload, agent, instance, random, options);
      left -= 1;
      options.onProgress(left);
    }
  };
  options.onProgress(left);
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return workload.instances.unfinished;
}

async function drive(
  workload: Workload,
  agent: Agent,
  instance: WorkloadInstance,
  random: Random,
  { deadlineMs, stop }: SettleOptions,
): Promise<void> {
  while (!instance.ended && performance.now() < deadlineMs && !stop.aborted) {
    if (!instance.started && !(await workload.repeatStart(agent, instance))) {
      await sleep(PAUSE_MS, stop);
      continue;
    }
    const request = { requestId: workload.newId('s'), wait: true };
    const limits = { timeoutMs: REQUEST_TIMEOUT_MS, signal: stop };
    const { outcome, waiting } = await workload.advance(agent, instance, request, limits);
    if (waiting !== undefined) await sleep(Date.parse(waiting.until) - Date.now(), stop);
    else if (outcome === 'parked') await workload.claim(agent, instance, 'approved');
    else if (outcome === 'in_doubt') await workload.answer(agent, instance, random);
    else if (outcome === 'halted') {
      // The first time it is repaired, the second time that is how it ends.
      if (instance.halt === undefined) workload.instances.end(instance);
      else await workload.answer(agent, instance, random);
    } else if (!instance.ended) await sleep(PAUSE_MS, stop);
  }
}
