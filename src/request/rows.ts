import { z } from 'zod';

import type { WireRow } from '../execution/row.ts';
import { Id } from '../ids.ts';
import { MAX_CURSOR_CHARACTERS, parseCursor } from './row-cursor.ts';

/** After every row that there is: only what is committed from now on comes after it. */
export const NOW = 'now';

/** How many rows a reply has at most. */
const MAX_ROWS = 1_000;

const NO_CURSOR =
  'is no cursor: pass the `next` of an earlier reply, "now", or 0 to begin with the oldest row';

/**
 * Body of `rows`: the rows of one instance after a seq, or those of all instances after a cursor.
 */
export const RowsMessage = z
  .strictObject({
    instanceId: Id.optional(),
    /**
     * A seq if there is an `instanceId`, otherwise the `next` of an earlier reply; or `now`.
     * Default: 0, before the oldest row.
     */
    after: z
      .union(
        [z.int().min(0), z.string().max(MAX_CURSOR_CHARACTERS)],
        'must be a seq (0 or more) or a cursor',
      )
      .optional(),
    /** At most this many rows; fewer come if they would not fit in a message. Default: 500. */
    limit: z.int().min(1).max(MAX_ROWS).optional(),
  })
  .superRefine(({ instanceId, after }, context) => {
    const message = afterProblem(instanceId, after);
    if (message !== undefined) context.addIssue({ code: 'custom', path: ['after'], message });
  });
/** See the schema. */
export type RowsMessage = z.infer<typeof RowsMessage>;

/** A place in the rows: a seq of one instance, or a cursor over all. */
export type RowPosition = number | string;

/** The answer to `rows`. */
export interface RowsReply {
  /** Of each instance in the order of their seqs. */
  rows: WireRow[];
  /**
   * Pass it as `after` for what follows. Absent if there is nothing more now: with an `instanceId`
   * go on after the last row's seq, otherwise ask again with the same `after`.
   */
  next?: RowPosition;
}

function afterProblem(
  instanceId: string | undefined,
  after: RowPosition | undefined,
): string | undefined {
  if (after === undefined || after === 0 || after === NOW) return undefined;
  if (instanceId !== undefined) {
    if (typeof after === 'number') return undefined;
    return parseCursor(after) === undefined
      ? 'must be a seq of the instance, such as 7, or "now"'
      : 'is a cursor over all instances: with instanceId it must be a seq, such as 7, or "now"';
  }
  if (typeof after === 'number')
    return 'is a seq, which needs an instanceId: for all instances pass a cursor, "now" or 0';
  return parseCursor(after) === undefined ? NO_CURSOR : undefined;
}
