import { foldRows } from '../../src/execution/state.ts';
import type { Row } from '../../src/execution/row.ts';
import { undoCell } from '../../src/runbook/undo.ts';
import type { OnInterrupt } from '../../src/runbook/effect.ts';
import { onInterrupt, type Runbook } from '../../src/runbook/runbook.ts';
import type { Breach } from './guarantees.ts';
import { breachOfLife } from './life-guarantees.ts';
import { breachOfOutcomes } from './outcome-guarantees.ts';

/**
 * The guarantee that the newest row of a log breaks, as far as the log alone can show it.
 */
export function breachInLog(runbook: Runbook, rows: readonly Row[]): Breach | undefined {
  const last = rows.at(-1);
  const before = rows.at(-2);
  if (last === undefined) return undefined;
  const name = `${last.cellId}${last.attempt}`;
  if (before !== undefined && last.fencingToken < before.fencingToken) {
    return {
      guarantee: '2 tokens never go back',
      what: `seq ${last.seq} has token ${last.fencingToken} after ${before.fencingToken}`,
    };
  }
  if (last.kind === 'started') {
    const { open } = foldRows(rows.slice(0, -1));
    if (open !== undefined) {
      return {
        guarantee: '1 at most one open attempt',
        what: `${name} is opened while ${open.cellId}${open.attempt} is open`,
      };
    }
  }
  const broken = breachOfLife(runbook, rows);
  if (broken !== undefined) return broken;
  const why = notAllowed(runbook, rows, last);
  if (why !== undefined)
    return { guarantee: '3 a cell runs again only where that is allowed', what: `${name}: ${why}` };
  return breachOfOutcomes(rows);
}

/** Why this row may not lead to another run of its cell; undefined when it may, or does not. */
function notAllowed(runbook: Runbook, rows: readonly Row[], last: Row): string | undefined {
  const earlier = rows.slice(0, -1);
  if (last.kind === 'started') {
    const previous = earlier.findLast(({ cellId }) => cellId === last.cellId);
    if (previous === undefined || previous.kind === 'failed') return undefined;
    const { as } = previous.body;
    if (previous.kind === 'decided' && (as === 'rerun' || as === 'failed')) return undefined;
    return `it is opened again after ${previous.kind}`;
  }
  if (last.kind !== 'decided') return undefined;
  const { by, as, reason } = last.body;
  if (by === 'person') {
    // A person's reason is, in the model, the attempt that the person looked at.
    return reason === `${last.cellId}${last.attempt}`
      ? undefined
      : `a person decided ${JSON.stringify(reason)}`;
  }
  if (as !== 'rerun') return undefined;
  const closed = earlier.findLast(({ kind }) => kind === 'interrupted');
  if (closed?.body['reason'] === 'not_started' || by === '@late-outcome') return undefined;
  const policy = policyOf(runbook, last.cellId);
  return policy === (by === '@probe' ? 'probe' : 'rerun')
    ? undefined
    : `a ${policy} cell is rerun by ${JSON.stringify(by)}`;
}

/** The policy of a cell, or of the undo of one. */
function policyOf({ cells }: Runbook, cellId: string): OnInterrupt {
  const cell = [...cells, ...cells.map(undoCell)].find((one) => one?.id === cellId);
  return cell !== undefined && 'exec' in cell ? onInterrupt(cell) : 'hold';
}
