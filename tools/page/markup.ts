/**
 * HTML or SVG text. Only the literal parts of `markup` templates become markup; every value that is
 * filled in is escaped, unless it is `Markup` itself. So a string from a record stays text,
 * whatever it contains.
 */
export class Markup {
  readonly #text: string;

  private constructor(text: string) {
    this.#text = text;
  }

  /** For text that the report's own code contains, such as a style sheet; never from a record. */
  static trusted(text: string): Markup {
    return new Markup(text);
  }

  toString(): string {
    return this.#text;
  }
}

export type Fillable = Markup | string | number | null | undefined | false | readonly Fillable[];

/** The template tag: literal parts are markup, values are escaped. */
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
 * Text that is safe between tags and in quoted attributes. Control, direction-changing and broken
 * characters become U+FFFD, because an invisible character could make one id look like another.
 */
function escaped(text: string): string {
  return text
    .replace(/\s/g, ' ')
    .replace(/\p{Cc}|\p{Cf}|\p{Cs}/gu, '\u{FFFD}')
    .replace(/[&<>"'`]/g, (character) => ENTITIES[character] ?? '');
}

/** The text, cut to `max` characters with an ellipsis, so that no single value bloats the page. */
export function clipped(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}
