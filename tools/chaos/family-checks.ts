import type { ChildEvidence, Evidence } from '../../src/audit/evidence.ts';
import type { Row } from '../../src/execution/row.ts';
import { hasHappened, isRecordedAsHappened } from './happened.ts';
import type { Fault } from './outside-checks.ts';
import type { WitnessedEffect } from './witness.ts';

/** A run cell of a parent. */
interface RunFacts {
  parentId: string;
  cellId: string;
  /** What the effects of its children are for begins with this. */
  elements: string;
  children: readonly ChildEvidence[];
  /** The row that says that its children have completed. */
  satisfied: Row | undefined;
  /** The cell with an effect that follows it. */
  nextCellId: string | undefined;
}

/**
 * What the witness saw of parents and their children, against what the log says: each element has
 * one child, and a parent goes on after the effects of all its children.
 *
 * The effects of children say which element of which parent they are for, so that a child that the
 * log does not know is seen too.
 */
export class FamilyChecks {
  readonly #effects: ReadonlyMap<string, readonly WitnessedEffect[]>;
  readonly #runs: RunFacts[] = [];
  /** By child: the cells whose effects happened, by its log, without a person's decision. */
  readonly #completed = new Map<string, readonly string[]>();
  looked = 0;

  constructor(effects: ReadonlyMap<string, readonly WitnessedEffect[]>) {
    this.#effects = effects;
  }

  /** Takes in one instance of the log. */
  add({ instanceId, instance, runbook, rows, children = [], parent }: Evidence): void {
    if (parent) this.#completed.set(instanceId, completedCells(rows));
    const cells = runbook?.cells ?? [];
    const claim = instance?.inputs['claim'];
    for (const [index, cell] of cells.entries()) {
      if (!('run' in cell)) continue;
      const own = children.filter(({ cellId }) => cellId === cell.id);
      this.#runs.push({
        parentId: instanceId,
        cellId: cell.id,
        elements: `${typeof claim === 'string' ? claim : instanceId}/`,
        children: own,
        satisfied: rows.find(({ kind, cellId }) => kind === 'satisfied' && cellId === cell.id),
        nextCellId: cells.slice(index + 1).find((next) => 'exec' in next)?.id,
      });
    }
  }

  /** Judges all of them, once everything is known. */
  faults(): (Fault & { instanceId: string })[] {
    const seen = this.#byElement();
    return this.#runs.flatMap((run) =>
      [...this.#onceFaults(run, seen), ...this.#lastFaults(run)].map((fault) => ({
        ...fault,
        instanceId: run.parentId,
      })),
    );
  }

  /** The instances whose effects the witness saw, by the element that they are for. */
  #byElement(): Map<string, Set<string>> {
    const seen = new Map<string, Set<string>>();
    for (const [instanceId, effects] of this.#effects) {
      for (const { element } of effects) {
        if (element === undefined) continue;
        const ids = seen.get(element);
        if (ids === undefined) seen.set(element, new Set([instanceId]));
        else ids.add(instanceId);
      }
    }
    return seen;
  }

  #onceFaults({ cellId, elements, children }: RunFacts, seen: Map<string, Set<string>>): Fault[] {
    const faults: Fault[] = [];
    const known = new Map(children.map((child) => [child.instanceId, child]));
    for (const n of new Set(children.map((child) => child.n))) {
      this.looked += 1;
      const ids = [...(seen.get(`${elements}${n ?? 'one'}`) ?? [])];
      const say = (what: string): void => {
        const of = n === null ? cellId : `element ${n} of ${cellId}`;
        const check = 'child-seen-once';
        faults.push({ check, guarantee: 5, seqs: [], what: `the witness saw ${of} ${what}` });
      };
      for (const id of ids.filter((one) => !known.has(one))) say(`run by ${id}, which is no child`);
      const ran = ids.flatMap((id) => known.get(id) ?? []).sort((a, b) => a.attempt - b.attempt);
      ran.slice(1).forEach(({ instanceId, attempt }, index) => {
        const before = ran[index];
        if (before === undefined) return;
        const replaced = before.ending === 'cancelled' && before.attempt < attempt;
        if (!replaced) say(`run by ${before.instanceId} and by ${instanceId}`);
      });
    }
    return faults;
  }

  #lastFaults({ parentId, cellId, children, satisfied, nextCellId }: RunFacts): Fault[] {
    const [next] = (this.#effects.get(parentId) ?? []).filter((one) => one.cellId === nextCellId);
    if (satisfied === undefined || next === undefined) return [];
    return children.flatMap(({ instanceId, ending }) => {
      if (ending !== 'completed') return [];
      const effects = this.#effects.get(instanceId) ?? [];
      const missing = (this.#completed.get(instanceId) ?? []).filter(
        (id) => !effects.some((one) => one.cellId === id && hasHappened(one) && one.at <= next.at),
      );
      if (missing.length === 0) return [];
      const what =
        `the witness saw ${next.cellId} after ${cellId}, and ${missing.join(' and ')} of ` +
        `${instanceId} not before that`;
      return [{ check: 'parent-seen-last', guarantee: 5, seqs: [satisfied.seq], what }];
    });
  }
}

/** The cells whose effects happened, by a log. */
function completedCells(rows: readonly Row[]): string[] {
  return rows.filter(isRecordedAsHappened).map(({ cellId }) => cellId);
}
