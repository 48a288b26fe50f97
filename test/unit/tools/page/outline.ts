/** One start tag of a page, with its attributes as written (still escaped). */
export interface Tag {
  name: string;
  attributes: ReadonlyMap<string, string>;
}

export interface Outline {
  tags: Tag[];
  /** Everything between tags, script and style left out. */
  text: string;
}

const TOKEN = /<(\/?)([a-z][a-z0-9-]*)((?:\s+[a-z][a-zA-Z0-9-]*(?:="[^"<>]*")?)*)\s*(\/?)>/gi;
const VOID = new Set(['meta', 'link', 'input', 'br', 'hr']);

/**
 * Reads a page as strictly as XML: every tag closed in order, every attribute quoted, no stray `<`
 * in the text. Throws where a browser would start guessing, which is where injected markup would
 * show.
 */
export function outline(page: string): Outline {
  const body = page
    .replace(/^<!doctype html>\n/, '')
    .replace(/(<(script|style)>)[\s\S]*?(<\/\2>)/g, '$1$3');
  const tags: Tag[] = [];
  const open: string[] = [];
  let text = '';
  let at = 0;
  for (const token of body.matchAll(TOKEN)) {
    text += strictText(body.slice(at, token.index));
    at = token.index + token[0].length;
    const name = token[2] ?? '';
    if (token[1] === '/') {
      const expected = open.pop();
      if (expected !== name)
        throw new Error(`</${name}> closes <${expected ?? 'nothing'}> near ${near(body, at)}`);
      continue;
    }
    const attributes = [...(token[3] ?? '').matchAll(/([a-zA-Z][a-zA-Z0-9-]*)(?:="([^"]*)")?/g)];
    tags.push({
      name,
      attributes: new Map(attributes.map(([, key = '', value = '']) => [key, value])),
    });
    if (token[4] !== '/' && !VOID.has(name)) open.push(name);
  }
  text += strictText(body.slice(at));
  if (open.length > 0) throw new Error(`never closed: ${open.join(', ')}`);
  return { tags, text };
}

function strictText(text: string): string {
  if (/[<>]/.test(text)) throw new Error(`a stray < or > in the text: ${text.slice(0, 200)}`);
  return text;
}

function near(body: string, at: number): string {
  return JSON.stringify(body.slice(Math.max(0, at - 120), at));
}
