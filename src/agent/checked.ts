import type { z } from 'zod';

import { Id } from '../ids.ts';
import { readMessage } from '../request/messages.ts';
import type { ReplyError } from '../request/messages.ts';
import { LeaseholdError } from './error.ts';
import { unsendable } from './unsendable.ts';

/** The body as it will be sent, checked by the rules that replicas apply. */
export function checked<T extends object>(schema: z.ZodType<T>, body: object): T {
  const fault = unsendable(body);
  if (fault !== undefined) throw invalid(fault.path.join('.').slice(0, 128), fault.message);
  const read = readMessage(schema, new TextEncoder().encode(JSON.stringify(body)));
  if (!read.ok) throw new LeaseholdError(read.error);
  return read.value;
}

/** @throws LeaseholdError `invalid`, which names the field */
export function checkId(id: string, field: string): string {
  if (Id.safeParse(id).success) return id;
  throw invalid(field, 'must be 1 to 128 characters of A-Z a-z 0-9 _ -');
}

/** The error for a field that cannot be sent. */
export function invalid(field: string, message: string): LeaseholdError {
  const error: ReplyError = { code: 'invalid', message: `${field}: ${message}`, field };
  return new LeaseholdError(error);
}
