import type { ChildrenView, ParentView, TickOriginView } from '../../src/execution/views.ts';
import { suggestion } from '../../src/shell-quote.ts';

/** How many of the instances that a run cell started have ended. */
export function childrenText({ cellId, ended, total }: ChildrenView): string {
  const instances = total === 1 ? 'its instance' : `its ${total} instances`;
  return `${cellId} waits for ${instances} to end: ${ended} of ${total} have`;
}

/** Where the children are found; each moves when it is advanced. */
export function childrenCommand(instanceId: string): string {
  return suggestion('list', [], ['--parent', instanceId]);
}

/** What started an instance. */
export function parentText({ instanceId, cellId, n }: ParentView): string {
  const element = n === undefined ? '' : `, element ${n}`;
  return `started by cell ${cellId} of ${instanceId}${element}`;
}

/** What started an instance. */
export function tickText({ scheduleId, tick }: TickOriginView): string {
  return `started by schedule ${scheduleId} at its tick ${tick}`;
}
