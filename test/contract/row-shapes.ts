import { z } from 'zod';

import { WireRow } from './shapes.ts';

/** The answer to `rows`. */
export const RowsReply = z.strictObject({
  rows: z.array(WireRow.extend({ body_truncated: z.literal(true).optional() })),
  next: z.union([z.int().min(0), z.string().min(1)]).optional(),
});

/** A line of `watch --json`. */
export const WatchLine = RowsReply.extend({ instanceId: z.string() }).required({ next: true });
export type RowsReply = z.infer<typeof RowsReply>;
