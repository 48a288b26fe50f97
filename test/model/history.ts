import { nextStep, type InstanceView, type NextStep } from '../../src/execution/plan.ts';
import type { Row } from '../../src/execution/row.ts';
import { foldRows, type InstanceState } from '../../src/execution/state.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import { NOON } from './noon.ts';
import { breachInLog } from './log-guarantees.ts';
import { renameReplica, type Renaming } from './renaming.ts';
import type { Breach } from './guarantees.ts';

/** What the model varies of a row; the rest is the same everywhere. */
export type ModelRow = Pick<
  Row,
  'fencingToken' | 'replicaId' | 'kind' | 'cellId' | 'attempt' | 'requestId' | 'body'
>;

/**
 * A log, or a log with rows proposed to be added. The same rows are the same object, so that a
 * whole log is one number in the code of a state, and the real rules are applied to it only once.
 */
export class History {
  readonly id: number;
  readonly rows: readonly Row[];
  readonly state: InstanceState;
  /** The guarantee that the log alone breaks. */
  readonly breach: Breach | undefined;
  readonly #book: HistoryBook;
  readonly #parent: History | undefined;
  readonly #next = new Map<string, History>();
  readonly #renamed = new Map<Renaming, History>();
  #step: NextStep | undefined;

  constructor(book: HistoryBook, parent: History | undefined, rows: readonly Row[]) {
    this.#book = book;
    this.#parent = parent;
    this.id = book.nextId();
    this.rows = rows;
    this.state = foldRows(rows);
    this.breach = parent?.breach ?? breachInLog(book.runbook, rows);
  }

  get length(): number {
    return this.rows.length;
  }

  get cells(): Runbook['cells'] {
    return this.#book.runbook.cells;
  }

  /** The instance whose log it is. */
  get instance(): InstanceView {
    return { runbook: this.#book.runbook, inputs: {}, recordedAt: NOON, state: this.state };
  }

  /** The next step by the real plan. */
  get step(): NextStep {
    this.#step ??= nextStep(this.instance);
    return this.#step;
  }

  /** This log with one more row. */
  with(row: ModelRow): History {
    const code = codeOf(row);
    let next = this.#next.get(code);
    if (next === undefined) {
      const stamped: Row = {
        ...row,
        instanceId: 'i',
        seq: this.length + 1,
        agentId: null,
        recordedAt: NOON,
      };
      next = new History(this.#book, this, [...this.rows, stamped]);
      this.#next.set(code, next);
    }
    return next;
  }

  /** The first rows of it. */
  prefix(length: number): History {
    return length >= this.length || this.#parent === undefined ? this : this.#parent.prefix(length);
  }

  /** The same log in a world whose replicas have changed places. */
  renamed(renaming: Renaming): History {
    const last = this.rows.at(-1);
    if (this.#parent === undefined || last === undefined) return this;
    let renamed = this.#renamed.get(renaming);
    if (renamed === undefined) {
      const { fencingToken, kind, cellId, attempt, requestId, body } = last;
      const replicaId = renameReplica(last.replicaId, renaming);
      renamed = this.#parent
        .renamed(renaming)
        .with({ fencingToken, replicaId, kind, cellId, attempt, requestId, body });
      this.#renamed.set(renaming, renamed);
    }
    return renamed;
  }
}

/** The logs that one search has met. */
export class HistoryBook {
  readonly runbook: Runbook;
  readonly empty: History;
  #ids = 0;

  constructor(runbook: Runbook) {
    this.runbook = runbook;
    this.empty = new History(this, undefined, []);
  }

  nextId(): number {
    this.#ids += 1;
    return this.#ids;
  }
}

function codeOf({
  fencingToken,
  replicaId,
  kind,
  cellId,
  attempt,
  requestId,
  body,
}: ModelRow): string {
  return `${kind}/${cellId}${attempt}/${fencingToken}/${replicaId}/${requestId ?? ''}/${JSON.stringify(body)}`;
}
