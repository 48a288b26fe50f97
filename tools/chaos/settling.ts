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
  const agent = workload.anyAgent;
  // An instance may have ended before its agents knew that it has children.
  await workload.families.meetAll(agent);
  do {
    const waiting = workload.instances.unfinished;
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
  } while (!isOver(options) && (await workload.families.meetAll(agent)) > 0);
  return workload.instances.unfinished;
}

function isOver({ deadlineMs, stop }: SettleOptions): boolean {
  return performance.now() >= deadlineMs || stop.aborted;
}

async function drive(
  workload: Workload,
  agent: Agent,
  instance: WorkloadInstance,
  random: Random,
  options: SettleOptions,
): Promise<void> {
  const { stop } = options;
  while (!instance.ended && !isOver(options)) {
    if (!instance.started && !(await workload.repeatStart(agent, instance))) {
      await sleep(PAUSE_MS, stop);
      continue;
    }
    const request = { requestId: workload.newId('s'), wait: true };
    const { outcome, waiting, children } = await workload.advance(agent, instance, request, {
      timeoutMs: REQUEST_TIMEOUT_MS,
      signal: stop,
    });
    if (waiting !== undefined) await sleep(Date.parse(waiting.until) - Date.now(), stop);
    else if (children !== undefined) {
      // Somebody else may be at it, and then this does no harm.
      for (const child of instance.children) await drive(workload, agent, child, random, options);
      await sleep(PAUSE_MS, stop);
    } else if (outcome === 'parked') await workload.claim(agent, instance, 'approved');
    else if (outcome === 'in_doubt') await workload.answer(agent, instance, random);
    else if (outcome === 'halted') {
      // The first time it is repaired, the second time that is how it ends.
      if (instance.halt === undefined) workload.instances.end(instance);
      else await workload.answer(agent, instance, random);
    } else if (!instance.ended) await sleep(PAUSE_MS, stop);
  }
}
