import { styleText } from 'node:util';

import { structuredPatch } from 'diff';

import { canonicalText } from '../../src/runbook/canonical-text.ts';
import { compareRunbooks, isUnchanged, type RunbookChanges } from '../../src/runbook/compare.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import { clean } from './table.ts';
import type { Style } from './table.ts';

/** One side of a comparison. */
export interface DiffSide {
  /** What it is: a stored version, or a file. */
  label: string;
  runbook: Runbook;
}

/** What differs between two runbooks. */
export interface RunbookDiff {
  changes: RunbookChanges;
  /** In the unified format, with the cell of each hunk; empty if only the version differs. */
  patch: string;
}

/** Two large texts can differ in every line; then the search for what they share is ended. */
const SEARCH_MS = 5_000;

/** Compares two runbooks: by cell, and line by line in their canonical texts. */
export function diffRunbooks(from: DiffSide, to: DiffSide): RunbookDiff {
  const changes = compareRunbooks(from.runbook, to.runbook);
  if (isUnchanged(changes)) return { changes, patch: '' };
  const before = canonicalText(from.runbook);
  const options = { context: 3, timeout: SEARCH_MS };
  const found = structuredPatch(
    from.label,
    to.label,
    before,
    canonicalText(to.runbook),
    undefined,
    undefined,
    options,
  );
  const names = [`--- ${from.label}`, `+++ ${to.label}`];
  if (found === undefined)
    return { changes, patch: [...names, 'too much differs to compare it line by line'].join('\n') };
  const lines = before.split('\n');
  const hunks = found.hunks.flatMap((hunk) => {
    const { oldStart, oldLines, newStart, newLines } = hunk;
    const unchanged = hunk.lines.findIndex((line) => !line.startsWith(' '));
    const cell = cellAt(lines, oldStart - 1 + Math.max(0, unchanged));
    return [`@@ -${oldStart},${oldLines} +${newStart},${newLines} @@${cell}`, ...hunk.lines];
  });
  return { changes, patch: [...names, ...hunks].join('\n') };
}

/** The diff for people: what changed, by cell, then the lines. */
export function diffText({ changes, patch }: RunbookDiff, style: Style): string {
  if (patch === '') return 'nothing differs';
  const lines = patch.split('\n').map((line) => painted(clean(line), style));
  return [summary(changes), '', ...lines].join('\n');
}

function summary({ head, changed, added, removed, reordered }: RunbookChanges): string {
  const parts = [
    head.length > 0 && `${head.join(', ')} changed`,
    changed.length > 0 && `changed ${cells(changed)}`,
    added.length > 0 && `added ${cells(added)}`,
    removed.length > 0 && `removed ${cells(removed)}`,
    reordered && 'cells stand in another order',
  ];
  return clean(parts.filter((part) => part !== false).join('; '));
}

function cells(ids: readonly string[]): string {
  return `${ids.length === 1 ? 'cell' : 'cells'} ${ids.join(', ')}`;
}

/** The cell that a line of a canonical text belongs to, as a hunk's heading. */
function cellAt(lines: readonly string[], index: number): string {
  for (let at = Math.min(index, lines.length - 1); at >= 0; at -= 1) {
    const id = /^ {2}- id: (.*)$/.exec(lines[at] ?? '')?.[1];
    if (id !== undefined) return ` ${id}`;
  }
  return '';
}

function painted(line: string, { color }: Style): string {
  if (!color) return line;
  const paint = (format: 'bold' | 'red' | 'green' | 'cyan'): string =>
    styleText(format, line, { validateStream: false });
  if (/^(---|\+\+\+) /.test(line)) return paint('bold');
  if (line.startsWith('@@')) return paint('cyan');
  if (line.startsWith('-')) return paint('red');
  return line.startsWith('+') ? paint('green') : line;
}
