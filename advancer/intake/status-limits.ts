import type { WireRow } from '../../src/execution/row.ts';
import type { CellError } from '../../src/execution/cell-error.ts';
import type { CellView } from '../../src/execution/status.ts';

/** An output in a status is cut to this many bytes of JSON. */
const MAX_OUTPUT_BYTES = 8 * 1024;
/** All outputs of a status together; the newest are kept. */
const MAX_OUTPUTS_BYTES = 512 * 1024;
/** The rows of a status; the newest are kept. */
const MAX_LOG_BYTES = 600 * 1024;
/** More of a reason is returned only with the cell's `cellId`. */
const MAX_ERROR_CHARACTERS = 16 * 1024;
/** For the names and brackets that join the parts of a reply. */
const JOINTS_BYTES = 1_024;

/** The parts of a status whose sizes have no bound. */
export interface StatusParts {
  cells: readonly CellView[];
  /** The cell that was asked about: its output is returned whole. */
  cellId?: string | undefined;
  /** The rows, if they were asked for. */
  log?: readonly WireRow[] | undefined;
  /** The size of the reply without cells and rows. */
  otherBytes: number;
  /** The size of the largest message. */
  maxBytes: number;
}

/** The parts of a status as they fit in a message, or what is too large. */
export type FittedStatus =
  | { fits: true; cells: CellView[]; log?: WireRow[]; logTruncated?: true }
  | { fits: false; why: string };

/**
 * Cuts a status to the size of a message. The cells with their states come first, then the output
 * that was asked for, then the other outputs, then the rows; of outputs and rows the newest are
 * kept.
 */
export function fitStatus(parts: StatusParts): FittedStatus {
  const { cellId, log, maxBytes } = parts;
  const cells = parts.cells.map((cell) => withoutOutput(cell, cell.cellId === cellId));
  let leftBytes = maxBytes - parts.otherBytes - JOINTS_BYTES;
  for (const cell of cells) {
    // Any of them may get the mark that it was cut.
    leftBytes -= bytesOf(cell) + MARK_BYTES;
  }
  if (leftBytes < 0)
    return {
      fits: false,
      why: `the status has ${maxBytes - leftBytes} bytes, without outputs and rows`,
    };
  const asked = parts.cells.findIndex((cell) => cell.cellId === cellId);
  const full = parts.cells[asked]?.output;
  if (full !== undefined) {
    const bytes = bytesOf(full);
    leftBytes -= bytes;
    if (leftBytes < 0)
      return { fits: false, why: `the output of cell ${cellId} has ${bytes} bytes` };
    cells[asked]!.output = full;
  }
  // A small message shares its space between outputs and rows.
  const share = log === undefined ? leftBytes : Math.floor(leftBytes / 2);
  let outputsBytes = Math.min(MAX_OUTPUTS_BYTES, share);
  leftBytes -= outputsBytes;
  for (let index = cells.length - 1; index >= 0; index -= 1) {
    const output = parts.cells[index]?.output;
    if (output === undefined || index === asked) continue;
    const text = JSON.stringify(output);
    const whole = Buffer.byteLength(text) <= MAX_OUTPUT_BYTES;
    const shown = whole ? output : headOf(text);
    const bytes = bytesOf(shown);
    const cell = cells[index]!;
    if (bytes <= outputsBytes) {
      outputsBytes -= bytes;
      cell.output = shown;
    } else outputsBytes = 0;
    if (!whole || cell.output === undefined) cell.outputTruncated = true;
  }
  if (log === undefined) return { fits: true, cells };
  return { fits: true, cells, ...newest(log, Math.min(MAX_LOG_BYTES, leftBytes + outputsBytes)) };
}

function withoutOutput(cell: CellView, asked: boolean): CellView {
  const { cellId, type, title, state, attempt, error } = cell;
  return {
    cellId,
    type,
    ...(title === undefined ? {} : { title }),
    state,
    ...(attempt === undefined ? {} : { attempt }),
    ...(error === undefined ? {} : { error: asked ? error : cutError(error) }),
  };
}

function cutError(error: CellError): CellError {
  const { message } = error;
  if (message.length <= MAX_ERROR_CHARACTERS) return error;
  const cut = message.length - MAX_ERROR_CHARACTERS;
  const head = message.slice(0, MAX_ERROR_CHARACTERS);
  return { ...error, message: `${head}… (${cut} more characters: ask for this cell's status)` };
}

const MARK_BYTES = Buffer.byteLength(',"output":,"outputTruncated":true,');

/** The beginning of a JSON text that, as a JSON string, is within the limit. */
function headOf(text: string): string {
  let length = MAX_OUTPUT_BYTES;
  for (;;) {
    // Never half a surrogate pair.
    if (/[\uD800-\uDBFF]/.test(text[length - 1] ?? '')) length -= 1;
    const head = text.slice(0, length);
    const bytes = bytesOf(head);
    if (bytes <= MAX_OUTPUT_BYTES) return head;
    length = Math.min(length - 1, Math.floor((length * MAX_OUTPUT_BYTES) / bytes));
  }
}

function newest(
  rows: readonly WireRow[],
  maxBytes: number,
): { log: WireRow[]; logTruncated?: true } {
  let bytes = 0;
  let from = rows.length;
  while (from > 0) {
    bytes += bytesOf(rows[from - 1]) + 1;
    if (bytes > maxBytes) return { log: rows.slice(from), logTruncated: true };
    from -= 1;
  }
  return { log: [...rows] };
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
