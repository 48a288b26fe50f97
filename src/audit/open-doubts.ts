import type { Row } from '../execution/row.ts';

/**
 * The attempts of which nobody has said what became of their effects, at most the newest one of
 * each cell: interrupted, and since then neither decided (a rerun by policy answers nothing) nor
 * followed by an attempt of known outcome.
 */
export function openDoubts(rows: readonly Row[]): { cellId: string; attempt: number }[] {
  const open = new Map<string, number>();
  for (const { kind, cellId, attempt, body } of rows) {
    if (kind === 'interrupted' && body['reason'] !== 'not_started') open.set(cellId, attempt);
    const isAnswer = kind === 'decided' && body['by'] !== '@policy';
    if (isAnswer || kind === 'completed' || kind === 'failed') open.delete(cellId);
  }
  return [...open].map(([cellId, attempt]) => ({ cellId, attempt }));
}
