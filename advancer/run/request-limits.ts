import type { ReceiptError } from '../../src/request/receipt.ts';
import type { AdvanceRequest } from './active-request.ts';
import type { InstanceLog } from './instance-log.ts';

/**
 * Whether the request's `maxCells` exec cells are finished. Those that it began count, even if
 * another request or the sweep has settled them: it may begin at most this many.
 */
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
    if (kind !== 'started' && kind !== 'completed' && kind !== 'decided') continue;
    if (cells.get(cellId)?.result !== undefined) finished.add(cellId);
  }
  return finished.size >= maxCells;
}

/** Why a request is not admitted. */
export interface AdmissionRefusal {
  outcome: 'invalid' | 'expired' | 'out_of_order';
  error: ReceiptError;
}

/**
 * Why a request may not begin; undefined if it may.
 *
 * @param expired whether it had expired when its turn came
 */
export function admissionRefusal(
  log: InstanceLog,
  request: AdvanceRequest,
  expired: boolean,
): AdmissionRefusal | undefined {
  const invalid = request.enqueued?.invalid;
  if (invalid !== undefined) return { outcome: 'invalid', error: invalid };
  // One that an earlier holder had begun was admitted in time.
  if (expired && !hasBegun(log, request)) {
    const message = 'the request has expired; nothing was run';
    return { outcome: 'expired', error: { code: 'expired', message } };
  }
  const error = outOfOrder(log, request);
  return error && { outcome: 'out_of_order', error };
}

/** Whether a row was written for the request, by this holder or an earlier one. */
export function hasBegun({ view }: InstanceLog, { requestId }: AdvanceRequest): boolean {
  return view.state.stepsByRequest.has(requestId);
}

/**
 * Why a request is refused whose `cellId` is not next; undefined if it is in order, or if the
 * instance is cancelled, which is what its receipt then says.
 */
function outOfOrder(
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
