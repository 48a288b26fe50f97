import type { Process, Work, World } from './world.ts';

/*
 * Kinds of steps that say where in an undo or a wait they come, so that the tests can say that each
 * such place is reached.
 */

/** A step that strikes a process, with the place in which its walk undoes something or waits. */
export function struck(kind: string, { log }: World, { works }: Process): string {
  for (const work of works) {
    if ((log.state.unwinding ?? work.view.state.unwinding) !== undefined)
      return `${kind} in an undo: ${placeOf(work)}`;
    if (isWait(work)) return `${kind} in a wait: ${placeOf(work)}`;
  }
  return kind;
}

/** A step about a wait by a process that was frozen until its term was over, and woke. */
export function woken(kind: string, process: Process, work: Work): string {
  const isOver = process.holding?.token !== work.token;
  return isOver && isWait(work) ? `${kind} in a wait, its term over` : kind;
}

/** Whether the walk judges a wait, or has judged one and not written that yet. */
function isWait({ at, view, base }: Work): boolean {
  if (at === 'judge') return true;
  return view.rows.slice(base).some(({ kind }) => /^(satisfied|skipped|refuted)$/.test(kind));
}

/** Where a walk stands; what it sends is distinguished by its newest row. */
function placeOf({ at, view, base }: Work): string {
  if (at !== 'sending') return at;
  return base === view.length ? 'sending a receipt' : `sending ${view.rows.at(-1)?.kind}`;
}
