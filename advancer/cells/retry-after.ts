/** The headers of a response that say how long to wait. */
interface WaitHeaders {
  readonly 'retry-after'?: string | undefined;
  readonly date?: string | undefined;
}

/**
 * How long a receiver asks to wait, in milliseconds: `Retry-After`, in seconds or as a date.
 * Undefined if it does not say, or says it in no such form. A date counts from the receiver's own
 * clock where the response tells it.
 *
 * @param nowMs the wall clock
 */
export function retryAfterMs(headers: WaitHeaders, nowMs: number): number | undefined {
  const text = headers['retry-after']?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  // Date.parse also reads numbers and much else.
  if (!/^[A-Za-z]{3,9},? /.test(text)) return undefined;
  const untilMs = Date.parse(text);
  if (Number.isNaN(untilMs)) return undefined;
  const theirsMs = Date.parse(headers.date ?? '');
  return Math.max(0, untilMs - (Number.isNaN(theirsMs) ? nowMs : theirsMs));
}
