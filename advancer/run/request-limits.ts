import type { ReceiptError } from '../../src/request/receipt.ts';
import type { AdvanceRequest } from './active-request.ts';
import type { InstanceLog } from './instance-log.ts';

/** Whether the request's `maxCells` exec cells are finished, whichever replicas ran them. */
export function cellsUsedUp(
  { view }: InstanceLog,
  { maxCells, requestId }: AdvanceRequest,
): boolean {
  if (maxCells === undefined) return false;
  const { cells, stepsByRequest } = view.state;
  const steps = stepsByRequest.get(requestId) ?? [];
  if (steps.length < maxCells) return false;
  const finished = new Set<string>();
  for (const { kind, cellId } of steps) {
    if (kind !== 'completed' && kind !== 'decided') continue;
    if (cells.get(cellId)?.result !== undefined) finished.add(cellId);
  }
  return finished.size >= maxCells;
}

/**
 * Why a request is refused whose `cellId` is not next; undefined if it is in order, or if the
 * instance is cancelled, which is what its receipt then says.
 */
export function outOfOrder(
  log: InstanceLog,
  { cellId, requestId }: AdvanceRequest,
): ReceiptError | undefined {
  const { state } = log.view;
  if (cellId === undefined || cellId === log.nextCellId) return undefined;
  if (state.cancelled !== undefined) return undefined;
  // A cell for which this request has written a row was next when the request began.
  const steps = state.stepsByRequest.get(requestId) ?? [];
  if (steps.some((step) => step.cellId === cellId)) return undefined;
  const expected =
    log.nextCellId === null ? 'no cell is left' : `the next cell is ${log.nextCellId}`;
  const message = `cellId: ${cellId} is not next, ${expected}`;
  return { code: 'out_of_order', message, field: 'cellId' };
}
