import type { WireRow } from '../../src/execution/row.ts';
import type { CellState, CellView } from '../../src/execution/status.ts';
import type { StatusReply } from '../../src/request/status-reply.ts';
import { cellType, type Cell, type CellType, type Runbook } from '../../src/runbook/runbook.ts';
import { isUndoCellId, undoCell, undoCellId } from '../../src/runbook/undo.ts';

/** A runbook as a page to read: its cells in order and, of an instance, what became of them. */
export interface Story {
  readonly runbook: Runbook;
  readonly title: string;
  /** Undefined for a runbook that is shown alone. */
  readonly status: StatusReply | undefined;
  readonly parts: readonly Part[];
  /** The rows about the instance as a whole: that it is unwound, or cancelled. */
  readonly ending: readonly WireRow[];
}

/** Text, or a cell with what became of it. */
export type Part = { readonly prose: string; readonly id: string } | CellStory;

/** A cell that runs, and what became of it. */
export interface CellStory {
  readonly cell: RunningCell;
  readonly type: CellType;
  /** Undefined where the runbook is shown alone. */
  readonly badge: Badge | undefined;
  readonly view: CellView | undefined;
  /** Its rows, the oldest first. */
  readonly rows: readonly WireRow[];
  /** What undoes it, once that has begun or is going to. */
  readonly undo: CellStory | undefined;
}

/** A cell that is not text. */
export type RunningCell = Exclude<Cell, { prose: string }>;

/** The page of a runbook, and of an instance of it if there is a status with its log. */
export function storyOf(runbook: Runbook, status?: StatusReply): Story {
  const log = status?.log ?? [];
  const parts = runbook.cells.map((cell): Part => {
    if ('prose' in cell) return { prose: cell.prose, id: cell.id };
    const undo = undoCell(cell);
    const begun = status?.cells.some(({ cellId }) => cellId === undoCellId(cell.id)) === true;
    return cellStory(
      cell,
      status,
      undo !== undefined && begun ? cellStory(undo, status) : undefined,
    );
  });
  return {
    runbook,
    title: runbook.title ?? runbook.runbook,
    status,
    parts,
    ending: log.filter(({ kind }) => isEnding(kind)),
  };
}

function cellStory(
  cell: RunningCell,
  status: StatusReply | undefined,
  undo?: CellStory,
): CellStory {
  const view = status?.cells.find(({ cellId }) => cellId === cell.id);
  const rows = (status?.log ?? []).filter(
    ({ cell_id, kind }) => cell_id === cell.id && !isEnding(kind),
  );
  const badge = status && view && badgeOf(view, status);
  return { cell, type: cellType(cell), badge, view, rows, undo };
}

/** The badge of a cell, also after the end of its instance. */
function badgeOf({ cellId, state }: CellView, { cancelled, unwinding }: StatusReply): Badge {
  if (cancelled?.left.some((left) => left.cellId === cellId) === true) return cellBadge('in_doubt');
  const isOver = cancelled !== undefined || (unwinding !== undefined && !isUndoCellId(cellId));
  return state === 'pending' && isOver
    ? { ...cellBadge(state), text: 'not run' }
    : cellBadge(state);
}

/** Whether rows of this kind are about the instance as a whole, whichever cell they name. */
function isEnding(kind: WireRow['kind']): boolean {
  return kind === 'unwinding' || kind === 'cancelled';
}

/** How something is to be understood at a glance. */
export type Tone = 'good' | 'bad' | 'doubt' | 'busy' | 'quiet';

/** A cell's state, or an instance's status, in words and with its tone. */
export interface Badge {
  readonly text: string;
  readonly tone: Tone;
  /** One character that also tells it from the others without colours. */
  readonly mark: string;
}

function cellBadge(state: CellState): Badge {
  switch (state) {
    case 'satisfied':
      return { text: 'done', tone: 'good', mark: '✓' };
    case 'undone':
      return { text: 'undone', tone: 'quiet', mark: '↶' };
    case 'skipped':
      return { text: 'skipped', tone: 'quiet', mark: '–' };
    case 'failed':
    case 'refuted':
      return { text: state, tone: 'bad', mark: '✗' };
    case 'in_doubt':
      return { text: 'in doubt', tone: 'doubt', mark: '?' };
    case 'running':
      return { text: 'running', tone: 'busy', mark: '▸' };
    case 'awaiting':
    case 'waiting':
      return { text: state, tone: 'busy', mark: '…' };
    case 'pending':
    case 'text':
      return { text: state, tone: 'quiet', mark: '·' };
  }
}

/** The badge of an instance. */
export function statusBadge({ status, unwinding }: StatusReply): Badge {
  const undoing = unwinding !== undefined && status !== 'cancelled' ? ', being undone' : '';
  switch (status) {
    case 'completed':
      return { text: 'completed', tone: 'good', mark: '✓' };
    case 'cancelled':
      return { text: 'cancelled', tone: 'quiet', mark: '■' };
    case 'halted':
      return { text: `halted${undoing}`, tone: 'bad', mark: '✗' };
    case 'in_doubt':
      return { text: `in doubt${undoing}`, tone: 'doubt', mark: '?' };
    case 'running':
      return { text: `running${undoing}`, tone: 'busy', mark: '▸' };
    case 'parked':
      return { text: `parked${undoing}`, tone: 'busy', mark: '…' };
    case 'ready':
      return { text: `ready${undoing}`, tone: 'busy', mark: '·' };
  }
}
