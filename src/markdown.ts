import MarkdownIt from 'markdown-it';

/**
 * CommonMark with tables and strikethrough. HTML is recognized as HTML, so that a comment hides
 * what is in it; whether it is shown is up to those who render.
 */
const parser = new MarkdownIt({ html: true });

type Token = ReturnType<typeof parser.parse>[number];

/** A part of a Markdown text: a block, or what is in a line of one. */
export interface MarkdownNode {
  /** As markdown-it names it: `paragraph`, `heading`, `fence`, `link`. */
  readonly type: string;
  readonly token: Token;
  readonly children: readonly MarkdownNode[];
}

/** Reads a Markdown text. Never throws: every text is Markdown. */
export function parseMarkdown(text: string): MarkdownNode[] {
  return nested(parser.parse(text, {}));
}

/** The parts between a token that opens something and the one that closes it become children. */
function nested(tokens: readonly Token[]): MarkdownNode[] {
  const top: MarkdownNode[] = [];
  const open = [top];
  for (const token of tokens) {
    if (token.nesting === -1) {
      open.pop();
      continue;
    }
    const children = nested(token.children ?? []);
    open.at(-1)?.push({ type: token.type.replace(/_open$/, ''), token, children });
    if (token.nesting === 1) open.push(children);
  }
  return top;
}

/** An attribute of a part, such as a link's `href`; empty if it has none. */
export function attributeOf({ token }: MarkdownNode, name: string): string {
  return String(token.attrGet(name) ?? '');
}

/** The first and the last line of a block, from 0; the last one is not part of it. */
export function linesOf({ token }: MarkdownNode): readonly [from: number, to: number] {
  if (token.map === null) throw new Error(`a ${token.type} of a Markdown text has no lines`);
  return token.map;
}

/** What is shown of HTML in a text for people: it as it is written, without its comments. */
export function shownHtml(html: string): string {
  return html.replaceAll(/<!--[\s\S]*?-->/g, '').trim();
}
