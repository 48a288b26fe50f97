import type { ErrorCode, ReplyError } from '../request/messages.ts';

/**
 * A request that was answered with an error, or not at all (`unavailable`).
 *
 * `field` names the input to correct, where there is one.
 */
export class LeaseholdError extends Error {
  override readonly name = 'LeaseholdError';
  readonly code: ErrorCode;
  readonly field: string | undefined;

  constructor(error: ReplyError, options?: { cause?: unknown }) {
    super(error.message, options);
    this.code = error.code;
    this.field = error.field;
  }

  /** The form on the wire. */
  toJSON(): { error: ReplyError } {
    const { code, message, field } = this;
    return { error: { code, message, ...(field === undefined ? {} : { field }) } };
  }
}
