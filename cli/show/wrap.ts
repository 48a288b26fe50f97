import { styleText } from 'node:util';

import { clean } from '../render/table.ts';
import type { Style } from '../render/table.ts';

/** A format of the terminal. */
export type Format = Parameters<typeof styleText>[0];

/** A piece of text in one format. */
export interface Span {
  readonly text: string;
  readonly format?: Format | undefined;
}

/** Ends a line wherever it is. */
export const LINE_BREAK: Span = { text: '\n' };

/** The text in a format, where the style has colours. Control characters are taken out. */
export function painted({ text, format }: Span, { color }: Style): string {
  const safe = clean(text);
  return color && format !== undefined && safe !== ''
    ? styleText(format, safe, { validateStream: false })
    : safe;
}

/**
 * Fills lines of at most `width` columns with the words of the spans. A longer word stands alone
 * and is not broken, so that it can be copied.
 */
export function wrapped(spans: readonly Span[], width: number, style: Style): string[] {
  const lines: string[] = [];
  let line = '';
  let used = 0;
  let gap = '';
  const end = (): void => {
    lines.push(line);
    [line, used, gap] = ['', 0, ''];
  };
  for (const word of words(spans)) {
    if (word === 'break') {
      end();
      continue;
    }
    if (word === 'gap') {
      gap = used === 0 ? '' : ' ';
      continue;
    }
    const columns = word.reduce((sum, { text }) => sum + columnsOf(text), 0);
    if (used > 0 && used + gap.length + columns > width) end();
    line += gap + word.map((span) => painted(span, style)).join('');
    used += gap.length + columns;
    gap = '';
  }
  end();
  return lines;
}

/** Words, each of one or more spans; and between them gaps and forced breaks. */
function words(spans: readonly Span[]): (Span[] | 'gap' | 'break')[] {
  const found: (Span[] | 'gap' | 'break')[] = [];
  let word: Span[] = [];
  const end = (next: 'gap' | 'break'): void => {
    if (word.length > 0) found.push(word);
    found.push(next);
    word = [];
  };
  for (const span of spans) {
    if (span === LINE_BREAK) {
      end('break');
      continue;
    }
    for (const part of span.text.split(/(\s+)/)) {
      if (part === '') continue;
      if (/^\s/.test(part)) end('gap');
      else word.push({ ...span, text: part });
    }
  }
  if (word.length > 0) found.push(word);
  return found;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** How many columns of a terminal the text takes. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) {
    if (/\p{Mark}|\p{Format}/u.test(character)) continue;
    columns += WIDE.test(character) ? 2 : 1;
  }
  return columns;
}
