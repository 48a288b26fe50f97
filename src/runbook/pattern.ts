/** What is wrong with a regular expression of a check; undefined if it can be used. */
export function patternFault(pattern: string): string | undefined {
  try {
    RegExp(pattern, 'u');
    return undefined;
  } catch {
    return 'is not a regular expression';
  }
}

/** Whether a regular expression finds a match anywhere in the text. */
export function findsMatch(pattern: string, text: string): boolean {
  return RegExp(pattern, 'u').test(text);
}
