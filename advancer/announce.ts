import type { Bus } from '../src/bus/bus.ts';
import type { Subjects } from '../src/bus/subjects.ts';
import { toWireRow, type WireRow } from '../src/execution/row.ts';
import { jsonOf } from '../src/json.ts';
import type { Logger } from '../src/logger.ts';
import { fitReceipt } from '../src/request/fit-receipt.ts';
import type { InstanceEvent } from '../src/request/status-reply.ts';
import { bytesOf, cutRow } from './cut-row.ts';
import { logCommit } from './run/commit-log.ts';
import type { Committed } from './run/context.ts';

/** A body in an event that is too large is cut to this many bytes of JSON. */
const MAX_BODY_BYTES = 8 * 1024;
/** For the names and brackets that join the parts of an event. */
const JOINTS_BYTES = 512;

/** Logs what was committed, and publishes it to those who watch; best effort. */
export function announce(
  committed: Committed,
  { bus, subjects, logger }: { bus: Bus; subjects: Subjects; logger: Logger },
): void {
  logCommit(logger, committed);
  const { instanceId, rows, status, receipt } = committed;
  const event = { instanceId, rows: rows.map(toWireRow), status, ...(receipt && { receipt }) };
  bus.publish(subjects.event(instanceId), jsonOf(event), (maxBytes) =>
    eventParts(event, maxBytes).map((part) => jsonOf(part)),
  );
}

/**
 * An event that is larger than a message, as events that are not: those who watch learn of every
 * row. First the large bodies are cut and marked; if that is not enough, the rows are divided, and
 * the receipt comes with the last of them.
 */
export function eventParts(event: InstanceEvent, maxBytes: number): InstanceEvent[] {
  const { receipt, ...head } = event;
  const roomBytes = Math.max(0, maxBytes - bytesOf({ ...head, rows: [] }) - JOINTS_BYTES);
  const rows = event.rows.map((row) => cutRow(row, Math.min(MAX_BODY_BYTES, roomBytes / 2)));
  const last = receipt && fitReceipt(receipt, roomBytes);
  const receiptBytes = last === undefined ? 0 : bytesOf(last);
  const parts: InstanceEvent[] = [];
  let part: WireRow[] = [];
  let leftBytes = roomBytes;
  for (const row of rows) {
    const bytes = bytesOf(row) + 1;
    if (bytes > leftBytes && part.length > 0) {
      parts.push({ ...head, rows: part });
      part = [];
      leftBytes = roomBytes;
    }
    part.push(row);
    leftBytes -= bytes;
  }
  if (last === undefined) return [...parts, { ...head, rows: part }];
  if (receiptBytes <= leftBytes || part.length === 0)
    return [...parts, { ...head, rows: part, receipt: last }];
  return [...parts, { ...head, rows: part }, { ...head, rows: [], receipt: last }];
}
