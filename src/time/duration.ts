import { z } from 'zod';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const PATTERN = /^(\d{1,9})(ms|s|m|h|d)$/;

/** The longest delay of a Node timer; a longer one would fire at once. */
const MAX_MS = 2_147_483_647;

/** The longest wait that an await may ask for: a hundred years. No timer is set for it. */
const MAX_WAIT_MS = 36_525 * UNIT_MS.d;

/**
 * Parses `200ms`, `10s`, `5m`, `1h` or `2d` into milliseconds.
 *
 * @returns undefined when the text is not a duration, or is too long for a timer (about 24 days).
 */
export function parseDurationMs(text: string): number | undefined {
  return parseUpTo(MAX_MS, text);
}

/** As {@link parseDurationMs}, for waits that the log measures: up to a hundred years. */
export function parseWaitMs(text: string): number | undefined {
  return parseUpTo(MAX_WAIT_MS, text);
}

function parseUpTo(maxMs: number, text: string): number | undefined {
  const match = PATTERN.exec(text);
  if (match === null) return undefined;
  const ms = Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
  return ms <= maxMs ? ms : undefined;
}

/**
 * The schema of a duration as written in files and flags; it stays text, see {@link
 * parseDurationMs}.
 */
export const Duration = z
  .string()
  .refine(
    (text) => parseDurationMs(text) !== undefined,
    'must be a duration such as 200ms, 10s, 5m or 1h',
  );
