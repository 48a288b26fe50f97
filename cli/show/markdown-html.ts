import { attributeOf, parseMarkdown, shownHtml, type MarkdownNode } from '../../src/markdown.ts';
import { Markup, markup, type Fillable } from '../../tools/page/markup.ts';

/**
 * A Markdown text as HTML. HTML in it is shown as text, comments are left out, an image is a link,
 * and a link leads to a web page or to a mailbox or is only text.
 *
 * @param deeper by how many levels the headings are moved down
 */
export function markdownMarkup(text: string, deeper: number): Fillable {
  return parseMarkdown(text).map((node) => block(node, deeper));
}

/** Code, line by line as it is written. */
export function codeMarkup(code: string): Markup {
  const lines = code.replace(/\n$/, '').replaceAll('\t', '    ').split('\n');
  return markup`<pre><code>${lines.map((line, index) => [index > 0 && LINE_BREAK, line])}</code></pre>`;
}

const LINE_BREAK = Markup.trusted('\n');

function block(node: MarkdownNode, deeper: number): Fillable {
  const { type, token, children } = node;
  const inner = (): Fillable => children.map((child) => block(child, deeper));
  switch (type) {
    case 'inline':
      return inlines(children);
    case 'heading':
      return heading(Number(token.tag.slice(1)) + deeper, inner());
    case 'paragraph':
      // In a list whose items stand close together.
      return token.hidden ? inner() : markup`<p>${inner()}</p>`;
    case 'bullet_list':
      return markup`<ul>${inner()}</ul>`;
    case 'ordered_list':
      return markup`<ol start="${attributeOf(node, 'start') || 1}">${inner()}</ol>`;
    case 'list_item':
      return markup`<li>${inner()}</li>`;
    case 'blockquote':
      return markup`<blockquote>${inner()}</blockquote>`;
    case 'fence':
    case 'code_block':
      return codeMarkup(token.content);
    case 'hr':
      return markup`<hr>`;
    case 'table':
      return markup`<div class="scroll"><table>${inner()}</table></div>`;
    case 'thead':
      return markup`<thead>${inner()}</thead>`;
    case 'tbody':
      return markup`<tbody>${inner()}</tbody>`;
    case 'tr':
      return markup`<tr>${inner()}</tr>`;
    case 'th':
      return markup`<th scope="col"${aligned(node)}>${inner()}</th>`;
    case 'td':
      return markup`<td${aligned(node)}>${inner()}</td>`;
    case 'html_block': {
      const shown = shownHtml(token.content);
      return shown === '' ? '' : codeMarkup(shown);
    }
    default:
      return [token.content, inner()];
  }
}

function heading(level: number, inner: Fillable): Markup {
  switch (Math.min(level, 6)) {
    case 2:
      return markup`<h2>${inner}</h2>`;
    case 3:
      return markup`<h3>${inner}</h3>`;
    case 4:
      return markup`<h4>${inner}</h4>`;
    case 5:
      return markup`<h5>${inner}</h5>`;
    default:
      return markup`<h6>${inner}</h6>`;
  }
}

/** A table's columns are aligned by class: the page allows no style in an attribute. */
function aligned(node: MarkdownNode): Fillable {
  const side = /text-align:\s*(right|center)/.exec(attributeOf(node, 'style'))?.[1];
  return side !== undefined && markup` class="${side}"`;
}

function inlines(nodes: readonly MarkdownNode[]): Fillable {
  return nodes.map(inline);
}

function inline(node: MarkdownNode): Fillable {
  const { type, token, children } = node;
  switch (type) {
    case 'softbreak':
      return ' ';
    case 'hardbreak':
      return markup`<br>`;
    case 'strong':
      return markup`<strong>${inlines(children)}</strong>`;
    case 'em':
      return markup`<em>${inlines(children)}</em>`;
    case 's':
      return markup`<s>${inlines(children)}</s>`;
    case 'code_inline':
      return markup`<code>${token.content}</code>`;
    case 'link':
      return link(attributeOf(node, 'href'), inlines(children));
    case 'image':
      return link(attributeOf(node, 'src'), `image: ${token.content}`);
    case 'html_inline':
      return shownHtml(token.content);
    default:
      return token.content;
  }
}

/** A page that is one file has nothing that a relative address could lead to. */
function link(address: string, inner: Fillable): Fillable {
  if (!/^(https?|mailto):/i.test(address)) return [inner, address !== '' && ` (${address})`];
  return markup`<a href="${address}" rel="noopener noreferrer">${inner}</a>`;
}
