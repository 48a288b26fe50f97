/** What a letter behind a backslash stands for, in JSON, JavaScript, Python or a shell. */
const LETTERS: Readonly<Record<string, number>> = {
  '0': 0,
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  e: 27,
};

/** What the letter here stands for, being behind a backslash, and how long that is. */
export function escapedAt(text: string, at: number): { code: number | undefined; length: number } {
  const letter = text.charAt(at);
  const digits = letter === 'u' ? 4 : letter === 'x' ? 2 : 0;
  if (digits === 0) return { code: LETTERS[letter], length: 1 };
  const hex = text.slice(at + 1, at + 1 + digits);
  const code = /^[0-9a-f]+$/i.test(hex) ? Number.parseInt(hex, 16) : undefined;
  return { code, length: 1 + digits };
}
