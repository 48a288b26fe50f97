/**
 * HTML and SVG text in which every value that is filled in is escaped, unless it is itself
 * `Markup`. Only the templates of this room become markup: a string from a record, whatever it
 * holds, stays text.
 */
export class Markup {
  readonly #text: string;

  private constructor(text: string) {
    this.#text = text;
  }

  /** Markup that this room wrote itself, such as the style sheet; never anything from a record. */
  static trusted(text: string): Markup {
    return new Markup(text);
  }

  toString(): string {
    return this.#text;
  }
}

export type Fillable = Markup | string | number | null | undefined | false | readonly Fillable[];

/** The template tag: the literal parts are markup, the filled-in values are escaped. */
export function markup(parts: TemplateStringsArray, ...values: readonly Fillable[]): Markup {
  let text = parts[0] ?? '';
  values.forEach((value, index) => {
    text += filled(value) + (parts[index + 1] ?? '');
  });
  return Markup.trusted(text);
}

function filled(value: Fillable): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Markup) return value.toString();
  if (Array.isArray(value)) return (value as readonly Fillable[]).map(filled).join('');
  return escaped(String(value));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

/**
 * Text that is safe between tags and inside quoted attributes. Control, direction-changing and
 * broken characters are shown as U+FFFD: one that cannot be seen could make an id look like
 * another.
 */
function escaped(text: string): string {
  return text
    .replace(/\s/g, ' ')
    .replace(/\p{Cc}|\p{Cf}|\p{Cs}/gu, '\u{FFFD}')
    .replace(/[&<>"'`]/g, (character) => ENTITIES[character] ?? '');
}

/**
 * The text, cut to `max` characters with an ellipsis: no single value of a record can blow up the
 * page.
 */
export function clipped(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}
