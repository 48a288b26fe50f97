import { hash } from 'node:crypto';

import type { ExecCell } from '../runbook/runbook.ts';
import { parseDurationMs } from '../time/duration.ts';
import type { CellRecord } from './cell-record.ts';

/** The wait before a first retry if the runbook does not give one. */
const DEFAULT_BACKOFF_MS = 200;
/** The longest wait if the runbook does not give one, unless its first wait is longer. */
const DEFAULT_MAX_BACKOFF_MS = 60_000;
/** The longest wait before a repetition of an interrupted attempt whose cell gives no backoff. */
const MAX_RERUN_BACKOFF_MS = 5_000;
const DEFAULT_FACTOR = 2;
/** A receiver that asks for a longer wait is asked again after this one. */
export const MAX_RETRY_AFTER_MS = 300_000;

/** How long to wait before an attempt after a definite failure, in milliseconds. */
export function retryBackoffMs(cell: ExecCell, record: CellRecord, instanceId: string): number {
  const firstMs = backoffOf(cell) ?? DEFAULT_BACKOFF_MS;
  return waitMs(record, grown(cell, firstMs, record.failures, place(cell, record, instanceId)));
}

/**
 * How long to wait before an attempt that follows no failure: the first one of a cell, or one that
 * repeats an interrupted attempt. The backoff is that of the cell's `retry`. If it gives none, the
 * first rerun is immediate; a cell that keeps being interrupted waits longer each time.
 */
export function rerunBackoffMs(
  cell: ExecCell,
  record: CellRecord | undefined,
  instanceId: string,
): number {
  if (record === undefined) return 0;
  const { interruptions } = record;
  const ownMs = backoffOf(cell);
  if (ownMs === undefined) {
    if (interruptions < 2) return waitMs(record, 0);
    const backoffMs = DEFAULT_BACKOFF_MS * DEFAULT_FACTOR ** (interruptions - 2);
    return waitMs(record, Math.min(MAX_RERUN_BACKOFF_MS, backoffMs));
  }
  const at = place(cell, record, instanceId);
  return waitMs(record, interruptions === 0 ? 0 : grown(cell, ownMs, interruptions, at));
}

/** The backoff, or what the receiver asked for if that is longer. */
function waitMs(record: CellRecord, backoffMs: number): number {
  return Math.max(backoffMs, Math.min(MAX_RETRY_AFTER_MS, record.retryAfterMs));
}

function backoffOf(cell: ExecCell): number | undefined {
  return parseDurationMs(cell.retry?.backoff ?? '');
}

/** The wait that has grown with each of `count` attempts, shortened by the cell's jitter. */
function grown({ retry }: ExecCell, firstMs: number, count: number, at: string): number {
  const { factor = DEFAULT_FACTOR, maxBackoff = '', jitter = 0 } = retry ?? {};
  const maxMs = parseDurationMs(maxBackoff) ?? Math.max(DEFAULT_MAX_BACKOFF_MS, firstMs);
  const wholeMs = Math.min(maxMs, firstMs * factor ** (count - 1));
  if (jitter === 0) return Math.round(wholeMs);
  return Math.round(wholeMs * (1 - jitter * fractionOf(at)));
}

/** What the jitter of a wait depends on: every replica that asks gets the same wait. */
function place({ id }: ExecCell, { attempts }: CellRecord, instanceId: string): string {
  return `${instanceId}/${id}/${attempts + 1}`;
}

/** A number from 0 to 1 that looks random and depends on the text only. */
function fractionOf(text: string): number {
  return Number.parseInt(hash('sha1', text).slice(0, 8), 16) / 0xffff_ffff;
}
