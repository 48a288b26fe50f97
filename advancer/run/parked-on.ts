import { nextStep, type InstanceView } from '../../src/execution/plan.ts';
import type { Log } from '../log/log.ts';
import { childrenWaitedFor } from './children.ts';
import type { Parked } from './rest.ts';
import { judge } from './waits.ts';

/**
 * What an instance waits for, as its log, its claim, its children and the database's clock say now:
 * `over` if what it waits for is there, undefined if no wait is next.
 */
export async function parkedOn(
  log: Pick<Log, 'children' | 'claimStatus' | 'readWait'>,
  instanceId: string,
  view: InstanceView,
): Promise<Parked | 'over' | undefined> {
  const step = nextStep(view);
  if (step.do === 'run') {
    const children = await childrenWaitedFor(log.children, instanceId, step);
    return typeof children === 'object' ? { children } : children;
  }
  if (step.do !== 'await' && step.do !== 'wait') return undefined;
  const judged = await judge(log, step);
  return judged.do === 'park' ? judged.parked : 'over';
}
