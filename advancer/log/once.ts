/** Passes each text on once. */
export function once(receive: ((text: string) => void) | undefined): (text: string) => void {
  const seen = new Set<string>();
  return (text) => {
    if (seen.has(text)) return;
    seen.add(text);
    receive?.(text);
  };
}
