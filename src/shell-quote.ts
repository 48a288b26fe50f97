// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** One word of a shell's command line, quoted where it has to be. Every POSIX shell reads it. */
export function shellQuote(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  // Printed text has no control characters, so the shell has to make them.
  if (CONTROL.test(word)) return `"$(printf '${printfFormat(word)}')"`;
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** A command that a person can paste: its words, quoted and joined. */
export function shellCommand(...words: readonly string[]): string {
  return words.map(shellQuote).join(' ');
}

/**
 * A command line of this program that a person can paste. Where an argument begins with a hyphen,
 * as an id may, `--` keeps it from being read as a flag, and so the flags come first.
 *
 * @param verb such as `advance`, or `runbook show`
 * @param flags each with its value as the next word
 */
export function suggestion(
  verb: string,
  args: readonly string[],
  flags: readonly string[] = [],
): string {
  const words = args.some((arg) => arg.startsWith('-'))
    ? [...flags, '--', ...args]
    : [...args, ...flags];
  return shellCommand('leasehold', ...verb.split(' '), ...words);
}

/**
 * What makes `printf` print the word. A shell takes line breaks at the end off again, so there they
 * are left out.
 */
function printfFormat(word: string): string {
  const special = new Set(["'", '\\', '-']);
  return Array.from(word.replace(/\n+$/, ''), (character) => {
    if (character === '%') return '%%';
    if (!CONTROL.test(character) && !special.has(character)) return character;
    return Array.from(new TextEncoder().encode(character), octal).join('');
  }).join('');
}

function octal(byte: number): string {
  return `\\${byte.toString(8).padStart(3, '0')}`;
}
