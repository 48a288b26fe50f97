import { invalid } from './checked.ts';
import type { AdvanceOptions } from './options.ts';

const DEFAULT_EXPIRY_MS = 30_000;

/** The time after which a request may no longer begin, as it is sent. */
export function expiryOf(options: AdvanceOptions, nowMs: number): string {
  const { expiresAt, expiresInMs } = options;
  if (expiresAt !== undefined && expiresInMs !== undefined) {
    throw invalid('expiresInMs', 'cannot be combined with expiresAt');
  }
  if (typeof expiresAt === 'string') return expiresAt;
  const at = expiresAt ?? new Date(nowMs + (expiresInMs ?? DEFAULT_EXPIRY_MS));
  if (Number.isNaN(at.getTime())) throw invalid('expiresAt', 'must be a time');
  return at.toISOString();
}
