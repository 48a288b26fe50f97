import { z } from 'zod';

import { errorText } from '../error-text.ts';
import { Id } from '../ids.ts';
import type { SeenEffect } from './evidence.ts';

/**
 * A line of a witness file: one effect as it was seen outside. Other fields are ignored.
 */
const WitnessLine = z.object({
  instanceId: Id,
  cellId: Id,
  attempt: z.int().min(1),
  fencingToken: z.int().min(1),
  idempotencyKey: z.string().min(1),
  at: z.iso.datetime({
    offset: true,
    message: 'must be an ISO 8601 time such as 2030-01-31T12:00:00Z',
  }),
  happened: z.boolean().optional(),
  outcome: z.enum(['completed', 'failed']).optional(),
});

/** Parses one line; the fault names the field that is wrong. */
export function readWitnessLine(
  line: string,
): { ok: true; effect: SeenEffect } | { ok: false; fault: string } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (cause) {
    return { ok: false, fault: `is not JSON (${errorText(cause)})` };
  }
  const read = WitnessLine.safeParse(parsed);
  if (read.success) return { ok: true, effect: read.data };
  const issue = read.error.issues[0];
  const field = issue?.path.map(String).join('.') ?? '';
  return {
    ok: false,
    fault: `${field === '' ? 'the line' : field}: ${issue?.message ?? 'has the wrong shape'}`,
  };
}
