import { linesOf, type MarkdownNode } from '../markdown.ts';
import type { TextFault } from './document.ts';

/** A fenced block of a Markdown text that is a cell. */
export interface CellFence {
  /** The id in its first line, if there is one. */
  readonly id: string | undefined;
  /** What follows the id, which must be nothing. */
  readonly rest: string;
  readonly yaml: string;
}

/** The block as a cell; undefined for every other block. */
export function cellFence({ type, token }: MarkdownNode): CellFence | undefined {
  if (type !== 'fence') return undefined;
  const [word, id, ...rest] = infoWords(token.info);
  if (word !== 'cell') return undefined;
  return { id, rest: rest.join(' '), yaml: token.content };
}

/** That the info string of a fenced block was probably meant to make it a cell. */
export function nearlyCellFence({ type, token }: MarkdownNode): string | undefined {
  if (type !== 'fence') return undefined;
  const [word = ''] = infoWords(token.info);
  if (word === 'cell' || !/^(cell|cel$)/i.test(word)) return undefined;
  return `a block that begins with ${word} is text; did you mean cell?`;
}

/**
 * What in a Markdown text hides cells, or would hide those that come later: a block that is never
 * closed, and a cell inside a list, a quote or HTML, where it is text. Lines count from 1.
 */
export function fenceFaults(
  blocks: readonly MarkdownNode[],
  lines: readonly string[],
): TextFault[] {
  return blocks.flatMap((block) => {
    if (block.type === 'fence')
      return isClosed(block, lines) ? cellsInBlock(block) : [unclosed(block)];
    if (block.type === 'html_block') return htmlFaults(block);
    return cellsInside(block.children);
  });
}

function isClosed(block: MarkdownNode, lines: readonly string[]): boolean {
  const [from, to] = linesOf(block);
  const { markup } = block.token;
  const last = /^ {0,3}(`+|~+)[ \t]*$/.exec(lines[to - 1] ?? '')?.[1] ?? '';
  return to - 1 > from && last.startsWith(markup);
}

function unclosed(block: MarkdownNode): TextFault {
  const { markup } = block.token;
  return at(linesOf(block)[0], `the block that begins here is never closed: end it with ${markup}`);
}

/**
 * A block that shows a cell has a longer fence than that, so a cell in a block means that the end
 * of the block was forgotten, and that the end of the cell became its end.
 */
function cellsInBlock(block: MarkdownNode): TextFault[] {
  const [from] = linesOf(block);
  const { markup, content } = block.token;
  return content.split('\n').flatMap((line, index) => {
    if (CELL_LINE.exec(line)?.[1]?.startsWith(markup) !== true) return [];
    const message = `this cell is inside a block that was not ended before it: end that block with ${markup}, or begin it with more characters if it is to show a cell`;
    return [at(from + 1 + index, message)];
  });
}

/** HTML that goes on until a mark closes it, with that mark. */
const UNTIL_MARK: readonly (readonly [begin: RegExp, mark: RegExp, name: string])[] = [
  [/^\s*<!--/, /-->/, '-->'],
  [/^\s*<\?/, /\?>/, '?>'],
  [/^\s*<!\[CDATA\[/, /\]\]>/, ']]>'],
  [/^\s*<(script|pre|style|textarea)\b/i, /<\/(script|pre|style|textarea)>/i, 'its closing tag'],
];
const CELL_LINE = /^ {0,3}(`{3,}|~{3,})\s*cell(\s|$)/;

function htmlFaults(block: MarkdownNode): TextFault[] {
  const { content } = block.token;
  const [from] = linesOf(block);
  const until = UNTIL_MARK.find(([begin]) => begin.test(content));
  if (until !== undefined && !until[1].test(content))
    return [at(from, `the HTML that begins here is never closed: end it with ${until[2]}`)];
  // A comment is how to leave a cell out on purpose.
  if (until !== undefined && until[2] === '-->') return [];
  return content.split('\n').flatMap((line, index) => {
    const message = 'this cell is inside HTML, where it is text: put an empty line before it';
    return CELL_LINE.test(line) ? [at(from + index, message)] : [];
  });
}

function cellsInside(blocks: readonly MarkdownNode[]): TextFault[] {
  return blocks.flatMap((block) => {
    if (cellFence(block) === undefined) return cellsInside(block.children);
    const message =
      'this cell is inside a list or a quote, where it is text: move it out, to the left margin';
    return [at(linesOf(block)[0], message)];
  });
}

function infoWords(info: string): string[] {
  return info.split(/\s+/).filter((word) => word !== '');
}

/** @param line from 0 */
function at(line: number, message: string): TextFault {
  return { line: line + 1, column: 1, message };
}
