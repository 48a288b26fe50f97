import { isJsonObject, type Json } from '../../src/json.ts';
import { suggestion } from '../../src/shell-quote.ts';
import type { CellStory } from './story.ts';

/** A cell's output as text, line by line. */
export interface ShownOutput {
  readonly heading: string;
  readonly lines: readonly string[];
  /** What is left out, and where it is. */
  readonly more: string | undefined;
}

/**
 * The output of a cell; undefined if it has none, or if its rows already say all of it.
 *
 * @param most how many lines to show
 */
export function outputOf(
  { cell, type, view, rows }: CellStory,
  most: number,
): ShownOutput | undefined {
  const output = view?.output;
  // The rows of the others say what they found.
  if (output === undefined || output === null || (type !== 'exec' && type !== 'run'))
    return undefined;
  const instanceId = rows[0]?.instance_id;
  const cut = view?.outputTruncated === true;
  const { heading, whole } = inWords(output, cut);
  if (whole.trim() === '') return undefined;
  const all = whole.replace(/\n$/, '').split('\n');
  const lines = all
    .slice(0, most)
    .map((line) => (line.length > LONGEST ? `${line.slice(0, LONGEST - 1)}…` : line));
  const isPartial = cut || all.length > most || lines.some((line, index) => line !== all[index]);
  const where =
    instanceId === undefined ? '' : `: ${suggestion('status', [instanceId], ['--cell', cell.id])}`;
  return {
    heading,
    lines,
    more: isPartial ? `… there is more${where}` : undefined,
  };
}

/** @param cut whether the output did not fit in the answer: it is then the beginning of its JSON */
function inWords(output: Json, cut: boolean): { heading: string; whole: string } {
  if (cut && typeof output === 'string') return { heading: 'output', whole: output };
  if (isJsonObject(output)) {
    const { stdout, instances } = output;
    if (typeof stdout === 'string' && Object.keys(output).length === 1)
      return { heading: 'printed', whole: stdout };
    if (Array.isArray(instances))
      return { heading: 'instances', whole: instances.map(instanceText).join('\n') };
  }
  return { heading: 'output', whole: JSON.stringify(output, null, 2) };
}

/** An instance that a run cell started. */
function instanceText(instance: Json): string {
  if (!isJsonObject(instance)) return JSON.stringify(instance);
  const { instanceId, status } = instance;
  return typeof instanceId === 'string'
    ? `${instanceId}  ${typeof status === 'string' ? status : '?'}`
    : JSON.stringify(instance);
}

/** Of a longer line only the beginning is shown. */
const LONGEST = 2_000;
