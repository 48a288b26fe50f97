/** One word of a shell's command line, quoted where it has to be. */
export function shellQuote(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  // Printed text has no control characters, so the shell has to make them.
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f]/.test(word)) return `$'${escaped(word)}'`;
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** A command that a person can paste: its words, quoted and joined. */
export function shellCommand(...words: readonly string[]): string {
  return words.map(shellQuote).join(' ');
}

function escaped(word: string): string {
  return (
    word
      .replaceAll(/[\\']/g, String.raw`\$&`)
      // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
      .replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
        const code = character.codePointAt(0) ?? 0;
        return String.raw`\u` + code.toString(16).padStart(4, '0');
      })
  );
}
