import type { Bus } from '../bus/bus.ts';
import type { Subjects } from '../bus/subjects.ts';
import type { WireRow } from '../execution/row.ts';
import { isJsonObject, type Json } from '../json.ts';
import { cursorAfter, isAtEnd } from '../request/row-cursor.ts';
import { NOW, RowsMessage, type RowPosition, type RowsReply } from '../request/rows.ts';
import type { Clock } from '../time/clock.ts';
import { checked } from './checked.ts';
import { LeaseholdError } from './error.ts';
import { eventSubject } from './events.ts';
import { requestUntilAnswered } from './request.ts';

/** How long to wait for a page before it is asked for again. */
const READ_TIMEOUT_MS = 10_000;
/** How often to look without an event: one may be lost without a sign. */
const LOOK_MS = 2_000;
/** Events that come within this time are answered by one request. */
const GATHER_MS = 20;
/** How long to wait after a request that nobody answered; doubles up to the maximum. */
const RETRY_MS = 200;
const MAX_RETRY_MS = 2_000;

/** What a watch needs of its agent. */
export interface RowWatchOptions {
  bus: Pick<Bus, 'subscribe'>;
  clock: Clock;
  /** The subject of the events that announce rows. */
  subject: string;
  /** Undefined: all. */
  instanceId: string | undefined;
  after: RowPosition;
  /** One page of rows. @throws LeaseholdError */
  read: (after: RowPosition) => Promise<RowsReply>;
  /** Ends the watch. */
  signal: AbortSignal;
  warn: (message: string) => void;
}

/**
 * Watches the rows of an instance, or of all.
 *
 * @throws LeaseholdError `invalid` for an id or a position that is none
 */
export function watchRows(
  options: Omit<RowWatchOptions, 'bus' | 'subject' | 'after' | 'read'> & {
    bus: Bus;
    subjects: Subjects;
    after?: RowPosition | undefined;
  },
): RowWatch {
  const { bus, clock, subjects, instanceId, after = NOW, signal } = options;
  const subject = eventSubject(subjects, instanceId);
  checked(RowsMessage, { instanceId, after });
  const read = (from: RowPosition): Promise<RowsReply> =>
    requestUntilAnswered({
      bus,
      clock,
      name: 'rows',
      subject: subjects.rows,
      body: { ...(instanceId !== undefined && { instanceId }), after: from },
      accepts: answersRows(instanceId, from),
      timeoutMs: READ_TIMEOUT_MS,
      retry: 'always',
      signal,
    });
  return new RowWatch({ ...options, subject, after, read });
}

/**
 * The rows of an instance, or of all, in order and each once, read from the log page by page.
 *
 * Events only say that there is something to read, so a lost, repeated or forged one changes
 * nothing. While NATS or the replicas are away it waits, and then goes on where it was. It keeps
 * one page in memory, and reads the next one only when that is consumed.
 */
export class RowWatch implements AsyncIterableIterator<WireRow> {
  readonly #options: RowWatchOptions;
  readonly #ended = new AbortController();
  readonly #unsubscribe: () => void;
  /** Where it begins: with `now`, what the first reply says. */
  readonly #begun: Promise<RowPosition>;
  /** The rest of the newest page. */
  #page: WireRow[] = [];
  /** The position after the newest page. */
  #afterPage: RowPosition;
  #cursor: RowPosition | undefined;
  /** Whether rows may have been committed since the newest page was read. */
  #announced = true;
  #announce: () => void = () => undefined;
  #lastReadMs = Number.NEGATIVE_INFINITY;
  /** The calls of `next` take turns. */
  #turn: Promise<unknown> = Promise.resolve();
  #isTroubled = false;

  constructor(options: RowWatchOptions) {
    this.#options = options;
    const { bus, after, subject, signal } = options;
    const subscription = bus.subscribe(subject, () => this.#notice());
    const end = (): void => this.#end();
    signal.addEventListener('abort', end, { once: true });
    this.#unsubscribe = () => {
      signal.removeEventListener('abort', end);
      subscription.unsubscribe();
    };
    this.#afterPage = after;
    if (signal.aborted) this.#end();
    // At once, so that "now" is when the watch was asked for.
    this.#begun = after === NOW ? this.#beginNow() : Promise.resolve(after);
    // Those who wait for it get the error.
    this.#begun.catch(() => undefined);
    if (after !== NOW) this.#cursor = after;
  }

  /**
   * The position after the last row that was returned: pass it as `after` to go on from there, in
   * another process or later. Undefined until {@link RowWatch.begun}.
   */
  get cursor(): RowPosition | undefined {
    return this.#cursor;
  }

  /**
   * Resolves with the position where the watch begins, once that is certain: every row that is
   * committed from then on is returned. It waits for a replica if none is there.
   *
   * @throws LeaseholdError when the watch cannot begin, or has ended before
   */
  begun(): Promise<RowPosition> {
    return this.#begun;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * The next row, as soon as there is one.
   *
   * @throws LeaseholdError when the watch cannot go on: the cursor is none, or the log was restored
   */
  next(): Promise<IteratorResult<WireRow, undefined>> {
    const result = this.#turn.then(() => this.#next());
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Ends the watch; `cursor` stays. */
  return(): Promise<IteratorResult<WireRow, undefined>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  async #next(): Promise<IteratorResult<WireRow, undefined>> {
    try {
      await this.#begun;
      while (this.#page.length === 0 && !this.#ended.signal.aborted) await this.#readPage();
    } catch (cause) {
      const ended = this.#ended.signal.aborted;
      this.#end();
      if (!ended) throw cause;
    }
    const row = this.#ended.signal.aborted ? undefined : this.#page.shift();
    if (row === undefined) return { done: true, value: undefined };
    this.#cursor = this.#positionOf(row);
    return { done: false, value: row };
  }

  #positionOf(row: WireRow): RowPosition {
    if (typeof this.#afterPage === 'number') return row.seq;
    return this.#page.length === 0 ? this.#afterPage : cursorAfter(this.#afterPage, row);
  }

  async #beginNow(): Promise<RowPosition> {
    const { next = 0 } = await this.#read(NOW);
    this.#afterPage = next;
    this.#cursor = next;
    return next;
  }

  async #readPage(): Promise<void> {
    await this.#untilAnnounced();
    if (this.#ended.signal.aborted) return;
    this.#announced = false;
    const { rows, next } = await this.#read(this.#afterPage);
    this.#page = [...rows];
    this.#afterPage = next ?? rows.at(-1)?.seq ?? this.#afterPage;
    // Unless it was the last page, there is more to read whether it is announced or not.
    if (next !== undefined && !isAtEnd(String(next))) this.#announced = true;
  }

  /** Returns the reply, whatever time it takes until a replica is there. */
  async #read(after: RowPosition): Promise<RowsReply> {
    const { clock, read, instanceId, warn } = this.#options;
    const { signal } = this.#ended;
    for (let retryMs = RETRY_MS; ; retryMs = Math.min(MAX_RETRY_MS, retryMs * 2)) {
      try {
        this.#lastReadMs = clock.monotonicMs();
        const reply = await read(after);
        this.#isTroubled = false;
        return reply;
      } catch (cause) {
        if (!(cause instanceof LeaseholdError) || signal.aborted) throw cause;
        // It may be started yet: its first row is announced like any other.
        if (cause.code === 'not_found' && (after === NOW || after === 0)) {
          this.#troubled(`there is no instance ${instanceId}; waiting until it is started`, warn);
          return { rows: [] };
        }
        // With a field, it is about what was asked for, and asking again does not help.
        if (cause.code !== 'unavailable' || cause.field !== undefined) throw cause;
        this.#troubled(`${cause.message}; the watch goes on as soon as one answers`, warn);
        await clock.sleep(retryMs, signal);
        if (signal.aborted) throw cause;
      }
    }
  }

  /** Says once what the watch waits for. */
  #troubled(message: string, warn: (message: string) => void): void {
    if (!this.#isTroubled) warn(message);
    this.#isTroubled = true;
  }

  async #untilAnnounced(): Promise<void> {
    const { clock } = this.#options;
    if (!this.#announced) {
      const woken = new AbortController();
      this.#announce = () => woken.abort();
      await clock.sleep(LOOK_MS, AbortSignal.any([woken.signal, this.#ended.signal]));
      this.#announce = () => undefined;
      const restMs = this.#lastReadMs + GATHER_MS - clock.monotonicMs();
      if (restMs > 0) await clock.sleep(restMs, this.#ended.signal);
    }
  }

  #notice(): void {
    this.#announced = true;
    this.#announce();
  }

  #end(): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#page = [];
    this.#unsubscribe();
  }
}

/**
 * Whether a reply can be a page of these rows: of one instance, all of it and without a gap. A
 * reply that cannot be is ignored, and the request repeated.
 */
function answersRows(instanceId: string | undefined, after: RowPosition): (body: Json) => boolean {
  return (body) => {
    if (instanceId === undefined || !isJsonObject(body)) return true;
    const { rows } = body;
    if (!Array.isArray(rows)) return true;
    return rows.every(
      (row, nth) =>
        isJsonObject(row) &&
        row['instance_id'] === instanceId &&
        row['seq'] === Number(after) + 1 + nth,
    );
  };
}
