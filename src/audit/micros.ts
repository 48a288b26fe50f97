/**
 * A moment in ISO 8601, in microseconds since 1970, as exact as the database has it; NaN if the
 * text is none.
 */
export function microsOf(iso: string): number {
  const below = /\.\d{3}(\d{1,3})/.exec(iso)?.[1] ?? '';
  return Date.parse(iso) * 1_000 + Number(below.padEnd(3, '0'));
}
