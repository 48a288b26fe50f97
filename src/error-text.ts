/** What was thrown, in words. */
export function errorText(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
