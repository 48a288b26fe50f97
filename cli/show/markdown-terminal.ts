import { attributeOf, parseMarkdown, shownHtml, type MarkdownNode } from '../../src/markdown.ts';
import { clean } from '../render/table.ts';
import type { Style } from '../render/table.ts';
import { columnsOf, LINE_BREAK, painted, wrapped, type Format, type Span } from './wrap.ts';

/** A Markdown text as lines for a terminal. */
export function markdownLines(text: string, width: number, style: Style): string[] {
  return blocks(parseMarkdown(text), { width, style });
}

interface Place {
  width: number;
  style: Style;
}

/** @param tight whether the blocks stand close together, as in a list without empty lines */
function blocks(nodes: readonly MarkdownNode[], place: Place, tight = false): string[] {
  const lines: string[] = [];
  for (const node of nodes) {
    const block = blockLines(node, place);
    if (block.length === 0) continue;
    lines.push(...(lines.length === 0 || tight ? [] : ['']), ...block);
  }
  return lines;
}

function blockLines(node: MarkdownNode, place: Place): string[] {
  const { type, token, children } = node;
  const { width, style } = place;
  switch (type) {
    case 'heading':
      return headingLines(node, place);
    case 'paragraph':
      return wrapped(inline(children), width, style);
    case 'bullet_list':
      return listLines(node, place, () => '• ');
    case 'ordered_list': {
      const first = Number(attributeOf(node, 'start') || 1);
      return listLines(node, place, (index) => `${first + index}. `);
    }
    case 'blockquote': {
      const bar = painted({ text: '│ ', format: 'dim' }, style);
      return blocks(children, { width: width - 2, style }).map((line) => `${bar}${line}`);
    }
    case 'fence':
    case 'code_block':
      return codeLines(token.content, style);
    case 'hr':
      return [painted({ text: '─'.repeat(Math.min(width, 40)), format: 'dim' }, style)];
    case 'table':
      return tableLines(node, place);
    case 'html_block':
      return shownHtml(token.content)
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map(clean);
    default:
      return children.length > 0 ? blocks(children, place) : [clean(token.content)];
  }
}

function headingLines({ token, children }: MarkdownNode, { width, style }: Place): string[] {
  const level = Number(token.tag.slice(1));
  const format: Format = level === 1 ? ['bold', 'underline'] : 'bold';
  const spans = inline(children).map((span) =>
    span === LINE_BREAK ? span : { text: span.text, format },
  );
  const lines = wrapped(spans, width, style);
  // Where nothing can be bold, a line below makes it a heading.
  if (style.color || level > 2) return lines;
  const longest = Math.max(...lines.map(columnsOf));
  return [...lines, (level === 1 ? '=' : '-').repeat(Math.min(longest, width))];
}

function listLines(
  { children: items }: MarkdownNode,
  { width, style }: Place,
  markerOf: (index: number) => string,
): string[] {
  return items.flatMap(({ children }, index) => {
    const marker = markerOf(index);
    const indent = ' '.repeat(marker.length);
    // What markdown-it hides is a paragraph of a list without empty lines.
    const tight = children.every(({ type, token }) => type !== 'paragraph' || token.hidden);
    const inner = blocks(children, { width: width - marker.length, style }, tight);
    const lines = (inner.length === 0 ? [''] : inner).map((line, at) =>
      ((at === 0 ? marker : indent) + line).trimEnd(),
    );
    return index > 0 && !tight ? ['', ...lines] : lines;
  });
}

/** Code as it is written: neither wrapped nor filled. */
export function codeLines(code: string, style: Style): string[] {
  return code
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => `    ${painted({ text: line.replaceAll('\t', '    '), format: 'dim' }, style)}`);
}

/** A table in columns; where they do not fit, each row as a list of what is in it. */
function tableLines(table: MarkdownNode, { width, style }: Place): string[] {
  const rows = table.children
    .flatMap((part) => part.children)
    .map((row) =>
      row.children.map((cell) =>
        wrapped(inline(cell.children), Number.MAX_SAFE_INTEGER, { color: false }).join(' '),
      ),
    );
  const [head = [], ...body] = rows;
  const widths = head.map((_, column) =>
    Math.max(...rows.map((row) => columnsOf(row[column] ?? ''))),
  );
  const total = widths.reduce((sum, one) => sum + one + 2, -2);
  if (total > width) {
    return body.flatMap((row, index) => [
      ...(index === 0 ? [] : ['']),
      ...row.flatMap((text, column) =>
        wrapped([{ text: `${head[column] ?? ''}: `, format: 'bold' }, { text }], width, style),
      ),
    ]);
  }
  const lineOf = (row: readonly string[], format?: Format): string =>
    row
      .map((text, column) => {
        const padding = ' '.repeat((widths[column] ?? 0) - columnsOf(text));
        return painted({ text, format }, style) + padding;
      })
      .join('  ')
      .trimEnd();
  const rule = widths.map((one) => '─'.repeat(one)).join('  ');
  return [
    lineOf(head, 'bold'),
    painted({ text: rule, format: 'dim' }, style),
    ...body.map((row) => lineOf(row)),
  ];
}

/** What is in a line, with its formats. */
function inline(nodes: readonly MarkdownNode[], format?: Format): Span[] {
  return nodes.flatMap((node): Span[] => {
    const { type, token, children } = node;
    switch (type) {
      case 'inline':
        return inline(children, format);
      case 'softbreak':
        return [{ text: ' ', format }];
      case 'hardbreak':
        return [LINE_BREAK];
      case 'strong':
        return inline(children, 'bold');
      case 'em':
        return inline(children, 'italic');
      case 's':
        return inline(children, 'strikethrough');
      case 'code_inline':
        return [{ text: `\`${token.content}\``, format: 'cyan' }];
      case 'link':
        return linkSpans(node, format);
      case 'image':
        return [{ text: `[image: ${token.content}] ${attributeOf(node, 'src')}`, format }];
      case 'html_inline':
        return [{ text: shownHtml(token.content), format }];
      default:
        return [{ text: token.content, format }];
    }
  });
}

/** The text of a link, and its address unless that is the text. */
function linkSpans(link: MarkdownNode, format: Format | undefined): Span[] {
  const spans = inline(link.children, format);
  const address = attributeOf(link, 'href');
  const shown = spans.map(({ text }) => text).join('');
  return shown === address || `mailto:${shown}` === address
    ? spans
    : [...spans, { text: ` (${address})`, format: 'dim' }];
}
