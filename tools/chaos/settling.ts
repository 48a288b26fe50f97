import type { Agent } from '../../src/agent/agent.ts';
import type { WorkInstance } from './instances.ts';
import type { Random } from './random.ts';
import { sleep } from './workload.ts';
import type { Workload } from './workload.ts';

const AT_ONCE = 24;
const PAUSE_MS = 200;
const ASK_TIMEOUT_MS = 20_000;

/**
 * Drives every instance that has not ended to its end: claims are made, doubts decided. Whoever
 * does not get there before the deadline is stuck.
 *
 * @param progress hears how many are left
 * @returns the instances that are stuck
 */
export async function settle(
  workload: Workload,
  random: Random,
  options: { deadlineMs: number; stop: AbortSignal; progress: (left: number) => void },
): Promise<WorkInstance[]> {
  const waiting = workload.instances.unfinished;
  const agent = workload.anyAgent;
  let left = waiting.length;
  const work = async (): Promise<void> => {
    for (let instance = waiting.pop(); instance !== undefined; instance = waiting.pop()) {
      await drive(workload, agent, instance, random, options);
      left -= 1;
      options.progress(left);
    }
  };
  options.progress(left);
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return workload.instances.unfinished;
}

async function drive(
  workload: Workload,
  agent: Agent,
  instance: WorkInstance,
  random: Random,
  options: { deadlineMs: number; stop: AbortSignal },
): Promise<void> {
  while (!instance.ended && performance.now() < options.deadlineMs && !options.stop.aborted) {
    if (!instance.started && !(await workload.startAgain(agent, instance))) {
      await sleep(PAUSE_MS, options.stop);
      continue;
    }
    const request = { requestId: workload.name('s'), wait: true };
    const patience = { timeoutMs: ASK_TIMEOUT_MS, signal: options.stop };
    const { outcome } = await workload.advance(agent, instance, request, patience);
    if (outcome === 'parked') await workload.claim(agent, instance, 'approved');
    else if (outcome === 'in_doubt') await workload.decide(agent, instance, random);
    else if (!instance.ended) await sleep(PAUSE_MS, options.stop);
  }
}
