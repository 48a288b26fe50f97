import { toWireRow, type Row, type WireRow } from '../../src/execution/row.ts';
import type { Bus } from '../../src/bus/bus.ts';
import { jsonOf, type Json } from '../../src/json.ts';
import type { ReplyError } from '../../src/request/messages.ts';
import { formatCursor, parseCursor, type RowCursor } from '../../src/request/row-cursor.ts';
import { NOW, type RowPosition, type RowsMessage, type RowsReply } from '../../src/request/rows.ts';
import { bytesOf, cutRow } from '../cut-row.ts';
import { CursorRefused, type RowPages } from '../log/row-pages.ts';
import { errorReply } from './operations.ts';

const DEFAULT_ROWS = 500;
/** A larger reply would only keep this process from everything else for longer. */
const MAX_REPLY_BYTES = 512 * 1024;
/** For the names and brackets that join the rows, and for what a row has besides its body. */
const JOINTS_BYTES = 2_048;

/**
 * Answers `rows`: pages of the log, each as large as a message may be. Any replica answers; what it
 * reads is committed, and a place in it means the same to every replica.
 */
export class RowsQuery {
  readonly #pages: RowPages;
  readonly #bus: Pick<Bus, 'maxBytes'>;

  constructor(pages: RowPages, bus: Pick<Bus, 'maxBytes'>) {
    this.#pages = pages;
    this.#bus = bus;
  }

  /** A page of rows, and where to go on. */
  async answer({ instanceId, after = 0, limit = DEFAULT_ROWS }: RowsMessage): Promise<Json> {
    const size = { limit, maxBytes: this.#roomBytes(after) };
    if (instanceId !== undefined) return this.#ofInstance(instanceId, after, size);
    try {
      const cursor = typeof after === 'string' ? parseCursor(after) : undefined;
      return await this.#ofAll(after, cursor, size);
    } catch (cause) {
      if (!(cause instanceof CursorRefused)) throw cause;
      return refuse(refusedCursor(cause));
    }
  }

  async #ofInstance(instanceId: string, after: RowPosition, size: Size): Promise<Json> {
    if (after === NOW) {
      const newest = await this.#pages.newestSeq(instanceId);
      return newest === undefined ? notFound(instanceId) : answer([], newest);
    }
    const afterSeq = Number(after);
    const { rows, more } = await this.#pages.ofInstance(instanceId, afterSeq, size);
    if (rows.length === 0) return this.#noneOf(instanceId, afterSeq);
    const fitted = fitRows(rows, size.maxBytes);
    const isCut = more || fitted.length < rows.length;
    return answer(fitted, isCut ? fitted.at(-1)!.seq : undefined);
  }

  /** No row comes after that seq: the instance rests, or the log does not go that far. */
  async #noneOf(instanceId: string, afterSeq: number): Promise<Json> {
    const newest = await this.#pages.newestSeq(instanceId);
    if (newest === undefined) return notFound(instanceId);
    if (newest >= afterSeq) return answer([]);
    const message = `after: instance ${instanceId} has no row ${afterSeq}, its newest is ${newest}: pass a seq up to ${newest}. If it had that row, the database has lost rows`;
    return refuse({ code: 'conflict', message, field: 'after' });
  }

  async #ofAll(after: RowPosition, cursor: RowCursor | undefined, size: Size): Promise<Json> {
    if (after === NOW) return answer([], formatCursor(await this.#pages.now()));
    const { rows, next } = await this.#pages.ofAll(cursor, size);
    if (next === undefined) return answer([]);
    const fitted = fitRows(rows, size.maxBytes);
    const last = fitted.at(-1);
    // What does not fit comes with the next page.
    const isCut = next.reading !== undefined && last !== undefined && fitted.length < rows.length;
    const reading = isCut && {
      reading: { ...next.reading!, instanceId: last.instance_id, seq: last.seq, atEnd: false },
    };
    return answer(fitted, formatCursor({ ...next, ...reading }));
  }

  /** A cursor in a reply is seldom longer than the one before it, and by less than that. */
  #roomBytes(after: RowPosition): number {
    const cursorBytes = 2 * String(after).length;
    const bytes = Math.min(MAX_REPLY_BYTES, this.#bus.maxBytes());
    return Math.max(0, bytes - JOINTS_BYTES - cursorBytes);
  }
}

interface Size {
  limit: number;
  maxBytes: number;
}

/** As many rows as fit, at least one: its body is cut if it is too large for any message. */
function fitRows(rows: readonly Row[], maxBytes: number): WireRow[] {
  const fitted: WireRow[] = [];
  let leftBytes = maxBytes;
  for (const row of rows) {
    const wire = toWireRow(row);
    leftBytes -= bytesOf(wire) + 1;
    if (leftBytes < 0 && fitted.length > 0) break;
    fitted.push(leftBytes < 0 ? cutRow(wire, maxBytes) : wire);
  }
  return fitted;
}

function answer(rows: WireRow[], next?: RowPosition): Json {
  const reply: RowsReply = { rows, ...(next !== undefined && { next }) };
  return jsonOf(reply);
}

function notFound(instanceId: string): Json {
  const message = `there is no instance ${instanceId}`;
  return refuse({ code: 'not_found', message, field: 'instanceId' });
}

function refusedCursor({ message, onlyThisOne }: CursorRefused): ReplyError {
  if (!onlyThisOne) return { code: 'unavailable', message: `after: ${message}`, field: 'after' };
  const exits =
    'begin again with the oldest row (0), with "now", or with one instance and its last seq';
  return { code: 'conflict', message: `after: ${message}; ${exits}`, field: 'after' };
}

function refuse(error: ReplyError): Json {
  return errorReply(error);
}
