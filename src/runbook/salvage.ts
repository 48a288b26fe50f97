import type { Json, JsonObject } from '../json.ts';
import type { Path } from './problem.ts';
import { CELL_SCHEMAS, type Cell, type CellType } from './cells.ts';

/** What can still be checked in a cell that has problems of its form. */
export interface Salvage {
  /**
   * The cell without the faulty parts; undefined where too little is left. Faulty elements of a
   * list are holes in it, so the others keep their places.
   */
  readonly cell: Cell | undefined;
  /** The parts that were taken out. */
  readonly removed: readonly { readonly path: Path; readonly value: Json }[];
  /** Paths at which the rest does not fit together, with messages. */
  readonly faults: readonly { readonly path: Path; readonly message: string }[];
}

const LISTS = ['expect', 'assert', 'when'];
/** How often to look again at what is left: each time takes out larger parts. */
const MAX_LOOKS = 4;

/**
 * Takes the faulty parts out of a cell, so that everything else in it is checked in the same run
 * and not only after they have been corrected.
 *
 * @param faulty where the schema found problems
 */
export function salvage(type: CellType, value: JsonObject, faulty: readonly Path[]): Salvage {
  const left = structuredClone(value);
  const removed: { path: Path; value: Json }[] = [];
  const holes = new Map<string, Set<number>>();
  const touched = new Set<string>();
  const remove = (path: Path): void => {
    touched.add(String(path[0]));
    const [list, index] = path;
    if (path[0] === 'id') left['id'] = 'unreadable';
    else if (typeof list === 'string' && LISTS.includes(list) && typeof index === 'number') {
      const found = holes.get(list) ?? new Set();
      if (found.has(index)) return;
      holes.set(list, found.add(index));
      removed.push({ path: [list, index], value: valueAt(left, [list, index]) ?? null });
    } else {
      const taken = valueAt(left, path);
      if (taken !== undefined) removed.push({ path, value: taken });
      const parent = valueAt(left, path.slice(0, -1));
      const key = path.at(-1);
      if (typeof parent === 'object' && parent !== null && !Array.isArray(parent))
        delete parent[String(key)];
      else if (path.length > 1) remove(path.slice(0, -1));
    }
  };
  for (const path of faulty) if (path.length > 0) remove(path);

  const faults: { path: Path; message: string }[] = [];
  for (let look = 1; look <= MAX_LOOKS; look += 1) {
    const parsed = CELL_SCHEMAS[type].safeParse(withoutHoles(left, holes));
    if (parsed.success) return { cell: withHoles(parsed.data, holes), removed, faults };
    for (const issue of parsed.error.issues) {
      const [top = ''] = issue.path.map(String);
      // A policy and its probe are judged together.
      const isNew = !touched.has(top) && !(top === 'probe' && touched.has('onInterrupt'));
      if (look === 1 && isNew && issue.code === 'custom')
        faults.push({ path: [top], message: issue.message });
      if (top === type || top === '') {
        remove([type]);
        return { cell: undefined, removed, faults };
      }
      remove([top]);
      if (top === 'probe') remove(['onInterrupt']);
    }
  }
  return { cell: undefined, removed, faults };
}

function withoutHoles(left: JsonObject, holes: ReadonlyMap<string, ReadonlySet<number>>): unknown {
  const copy: Record<string, unknown> = { ...left };
  for (const [list, indices] of holes) {
    const all = copy[list];
    if (!Array.isArray(all)) continue;
    const good = all.filter((_, index) => !indices.has(index));
    if (good.length > 0) copy[list] = good;
    else if (list !== 'assert') delete copy[list];
  }
  return copy;
}

function withHoles(cell: Cell, holes: ReadonlyMap<string, ReadonlySet<number>>): Cell {
  const copy: Record<string, unknown> = { ...cell };
  for (const [list, indices] of holes) {
    const good = copy[list];
    if (!Array.isArray(good)) continue;
    const sparse: unknown[] = [];
    let at = 0;
    for (const element of good as unknown[]) {
      while (indices.has(at)) at += 1;
      sparse[at] = element;
      at += 1;
    }
    copy[list] = sparse;
  }
  return copy as unknown as Cell;
}

function valueAt(value: Json, path: Path): Json | undefined {
  let at: Json | undefined = value;
  for (const segment of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, segment)) return undefined;
    at = (at as Record<string | number, Json>)[segment];
  }
  return at;
}
