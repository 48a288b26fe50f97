import { z } from 'zod';

import { Id } from '../ids.ts';
import type { Json } from '../json.ts';
import { parseWaitMs } from '../time/duration.ts';
import { instantFault } from '../time/instant.ts';
import { isLonePlaceholder } from './placeholder.ts';
import { pointerFault } from './pointer.ts';

/** Any JSON value; strings in it may hold placeholders where its field is filled. */
export const JsonValue: z.ZodType<Json> = z.json();

/**
 * A name that becomes a key of inputs or outputs: an id, but not `__proto__`, which is special in
 * JavaScript.
 */
export const Name = Id.refine((text) => text !== '__proto__', 'must not be __proto__');

/** What the ids of undo cells begin with: the undo of `charge` is the cell `undo-charge`. */
export const UNDO_PREFIX = 'undo-';

/** The id of a cell. */
export const CellId = Name.refine(
  (text) => !text.startsWith(UNDO_PREFIX),
  `must not begin with ${UNDO_PREFIX}: such ids name what undoes a cell`,
).describe('Names the cell; unique in the runbook.');

/** A heading for people, on one line. */
export const Title = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => !/[\r\n]/.test(text), 'must be one line; use description for more');

/** A text for people. */
export const Description = z.string().min(1).max(10_000);

/** A JSON pointer (RFC 6901). */
export const Pointer = z.string().superRefine((text, context) => {
  const fault = pointerFault(text);
  if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
});

/** A text that is one placeholder and nothing else, so that its value keeps its type. */
export const LonePlaceholder = z
  .string()
  .refine(isLonePlaceholder, 'must be one placeholder and nothing else, such as ${inputs.name}');

/** How long to wait; checked again once its placeholders are filled. */
export const Wait = z
  .string()
  .refine(
    (text) => text.includes('${') || parseWaitMs(text) !== undefined,
    'must be a duration such as 90s, 10m, 12h or 2d',
  );

/** A moment; checked again once its placeholders are filled. */
export const Moment = z.string().superRefine((text, context) => {
  const message = text.includes('${') ? undefined : instantFault(text);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

/** How many instances one run cell may start. */
export const MAX_CHILDREN = 1_000;
