import { derivedId } from '../ids.ts';

/**
 * The ids of the prose cells of a Markdown runbook. Each is named after the cell that it precedes,
 * `before-charge`, and the last one after the cell that it follows, `after-notify`; so an id stays
 * the same when the text is edited, and when text or cells elsewhere come and go.
 *
 * @param cellIds of the other cells, in their order; undefined where a cell has none
 * @returns for the text before the cell with that index the id of its prose cell; the index behind
 *   the last cell is the text at the end
 */
export function proseIds(cellIds: readonly (string | undefined)[]): (index: number) => string {
  const taken = new Set(cellIds);
  return (index) => {
    const name = nameOf(cellIds, index);
    let id = derivedId(name);
    for (let n = 2; taken.has(id); n += 1) id = derivedId(`${name}-${n}`);
    taken.add(id);
    return id;
  };
}

function nameOf(cellIds: readonly (string | undefined)[], index: number): string {
  if (cellIds.length === 0) return 'text';
  if (index < cellIds.length) return `before-${cellIds[index] ?? `cell-${index + 1}`}`;
  return `after-${cellIds.at(-1) ?? `cell-${index}`}`;
}
