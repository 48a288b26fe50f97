import { isId } from '../ids.ts';
import { linesOf, parseMarkdown, type MarkdownNode } from '../markdown.ts';
import { storableFault } from '../json.ts';
import {
  MAX_TEXT_CHARACTERS,
  readDocument,
  type Position,
  type ReadDocument,
  type SourceDocument,
  type TextFault,
} from './document.ts';
import { cellFence, fenceFaults, nearlyCellFence, type CellFence } from './cell-fence.ts';
import type { Path } from './problem.ts';
import { proseIds } from './prose-ids.ts';

/** What follows the front matter. */
interface Body {
  readonly lines: readonly string[];
  /** How many lines of the file come before it. */
  readonly offset: number;
}

/** A cell of the file, and where its parts are. */
interface Piece {
  readonly value: unknown;
  readonly warnings: SourceDocument['warnings'];
  locate(path: Path, atKey?: boolean): Position;
}

/**
 * Reads a Markdown runbook: the front matter is the runbook's head, each fenced block whose info
 * string begins with `cell` is a cell in YAML, and all other text becomes prose cells. A block
 * counts only at the top level of the text. Positions are those of the file.
 */
export function readMarkdown(source: string): ReadDocument {
  if (source.length > MAX_TEXT_CHARACTERS)
    return refuse([fault(1, 'the file is larger than 1 MiB')]);
  const text = source.replace(/^\uFEFF/, '').replaceAll(/\r\n?/g, '\n');
  const lines = text.split('\n');
  const front = frontMatter(lines);
  if (typeof front === 'string') return refuse([fault(1, front)]);

  const head = readDocument(front.text, 'yaml', 'front matter');
  const body: Body = { lines: lines.slice(front.end), offset: front.end };
  const unstorable = unstorableLine(body);
  if (unstorable !== undefined) return refuse([unstorable]);
  const blocks = parseMarkdown(body.lines.join('\n'));
  const faults = [
    ...head.faults.map((one) => below(one, 1)),
    ...fenceFaults(blocks, body.lines).map((one) => below(one, body.offset)),
  ];
  const cells = readCells(blocks, body);
  faults.push(...cells.faults);
  if (head.document === undefined || cells.pieces === undefined) return refuse(faults);

  const document = joined(head.document, withProse(cells.pieces, body), body);
  const own = ownCells(head.document);
  if (own !== undefined) faults.push(own);
  for (const block of blocks) {
    const message = nearlyCellFence(block);
    if (message === undefined) continue;
    const at = { line: linesOf(block)[0] + 1 + body.offset, column: 1 };
    document.warnings.push({ path: [], at, severity: 'warning', message });
  }
  return { faults: inOrder(faults), document };
}

/** The lines between the first two `---`, and the number of the first line after them. */
function frontMatter(lines: readonly string[]): { text: string; end: number } | string {
  if (lines[0]?.trimEnd() !== '---') {
    return 'a Markdown runbook begins with its front matter: a line ---, the fields runbook and version, and another line ---';
  }
  const end = lines.findIndex((line, index) => index > 0 && line.trimEnd() === '---');
  if (end === -1) return 'the front matter is never closed: end it with a line ---';
  return { text: lines.slice(1, end).join('\n'), end: end + 1 };
}

/** The cells in the file, with the lines of the body that each takes. */
interface ReadCells {
  faults: TextFault[];
  /** Undefined if the text of one cannot be read. */
  pieces: { piece: Piece; id: string | undefined; from: number; to: number }[] | undefined;
}

function readCells(blocks: readonly MarkdownNode[], body: Body): ReadCells {
  const faults: TextFault[] = [];
  const pieces: NonNullable<ReadCells['pieces']> = [];
  let isReadable = true;
  for (const block of blocks) {
    const fence = cellFence(block);
    if (fence === undefined) continue;
    const [from, to] = linesOf(block);
    const indent = /^ */.exec(body.lines[from] ?? '')?.[0].length ?? 0;
    const read = readCell(fence, { line: body.offset + from + 1, indent });
    faults.push(...read.faults);
    if (read.piece === undefined) isReadable = false;
    else pieces.push({ piece: read.piece, id: read.id, from, to });
  }
  return { faults, pieces: isReadable ? pieces : undefined };
}

/** @param place the line of the file on which the block begins, and by how much it is indented */
function readCell(
  fence: CellFence,
  { line, indent }: { line: number; indent: number },
): { piece: Piece | undefined; id: string | undefined; faults: TextFault[] } {
  const { document, faults: found } = readDocument(fence.yaml, 'yaml', 'block of a cell');
  const within = (position: Position): Position => ({
    line: position.line + line,
    column: position.column + indent,
  });
  const faults = found.map((one) => ({ ...one, ...within(one) }));
  if (fence.rest !== '')
    faults.push(fault(line, `only the cell's id may follow the word cell, not ${fence.rest}`));
  if (document === undefined) return { piece: undefined, id: fence.id, faults };

  const given = idIn(document.value);
  if (fence.id !== undefined && typeof given === 'string' && given !== fence.id) {
    const message = `the first line of this block calls the cell ${fence.id}, but its id is ${given}; keep one`;
    faults.push({ ...within(document.locate(['id'])), message });
  }
  const isNamed = given !== undefined || !isObject(document.value);
  if (!isNamed && fence.id === undefined)
    faults.push(fault(line, 'this cell has no name: write its id after the word cell'));
  const value = isNamed ? document.value : { id: fence.id, ...(document.value as object) };
  const locate = (path: Path, atKey?: boolean): Position =>
    path.length === 0 || (!isNamed && path[0] === 'id')
      ? { line, column: 1 }
      : within(document.locate(path, atKey));
  return {
    piece: { value, locate, warnings: document.warnings },
    id: isId(given) ? given : isId(fence.id) ? fence.id : undefined,
    faults,
  };
}

/** The cells, and between them the text as prose cells. */
function withProse(cells: NonNullable<ReadCells['pieces']>, { lines, offset }: Body): Piece[] {
  const idOf = proseIds(cells.map(({ id }) => id));
  const all: Piece[] = [];
  let from = 0;
  const prose = (to: number, index: number): void => {
    let [first, last] = [from, to];
    while (first < last && lines[first]?.trim() === '') first += 1;
    while (last > first && lines[last - 1]?.trim() === '') last -= 1;
    if (first === last) return;
    const position = { line: offset + first + 1, column: 1 };
    const value = { id: idOf(index), prose: lines.slice(first, last).join('\n') };
    all.push({ value, warnings: [], locate: () => position });
  };
  for (const [index, { piece, from: begin, to }] of cells.entries()) {
    prose(begin, index);
    all.push(piece);
    from = to;
  }
  prose(lines.length, cells.length);
  return all;
}

/** One document, as if the runbook had been written in YAML. */
function joined(head: SourceDocument, pieces: readonly Piece[], body: Body): SourceDocument {
  const isHead = isObject(head.value);
  const cells = pieces.map(({ value }) => value);
  return {
    value: isObject(head.value) ? { ...head.value, cells } : head.value,
    warnings: [
      ...head.warnings,
      ...pieces.flatMap(({ warnings }, index) =>
        warnings.map((one) => ({ ...one, path: ['cells', index, ...one.path] })),
      ),
    ],
    locate: (path, atKey) => {
      const [top, index, ...rest] = path;
      if (top !== 'cells' || !isHead) return below(head.locate(path, atKey), 1);
      const piece = pieces[Number(index ?? 0)];
      return piece?.locate(rest, atKey) ?? { line: body.offset, column: 1 };
    },
  };
}

/** That the front matter has cells too, which would be lost. */
function ownCells(head: SourceDocument): TextFault | undefined {
  if (!isObject(head.value) || !Object.hasOwn(head.value, 'cells')) return undefined;
  const message = 'the cells of a Markdown runbook are its fenced blocks, so remove this field';
  return { ...below(head.locate(['cells'], true), 1), message };
}

function unstorableLine({ lines, offset }: Body): TextFault | undefined {
  const index = lines.findIndex((line) => storableFault(line) !== undefined);
  const message = storableFault(lines[index] ?? '');
  return message === undefined ? undefined : fault(offset + index + 1, `this line ${message}`);
}

function idIn(value: unknown): unknown {
  return isObject(value) ? value['id'] : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function below<T extends Position>(position: T, lines: number): T {
  return { ...position, line: position.line + lines };
}

function fault(line: number, message: string): TextFault {
  return { line, column: 1, message };
}

function inOrder(faults: readonly TextFault[]): TextFault[] {
  return faults.toSorted((a, b) => a.line - b.line);
}

function refuse(faults: readonly TextFault[]): ReadDocument {
  return { faults: inOrder(faults), document: undefined };
}
