import { z } from 'zod';

import { Id } from '../ids.ts';
import { isJsonObject, type Json, type JsonObject } from '../json.ts';
import { whenProblem } from '../schedule/definition.ts';
import { CATCH_UPS, OVERLAPS } from '../schedule/plan.ts';

const Inputs = z.custom<JsonObject>(
  (value) => isJsonObject(value as Json | undefined),
  'must be an object',
);
/** What is wrong with the text is said once all of the message is read. */
const Text = z.string().min(1).max(256);

/** Body of `schedule.put`. */
export const SchedulePutMessage = z
  .strictObject({
    scheduleId: Id,
    runbookId: Id,
    version: z.int().min(1).max(2_147_483_647).optional(),
    cron: Text.optional(),
    every: Text.optional(),
    timezone: Text.optional(),
    inputs: Inputs,
    overlap: z.enum(OVERLAPS).default('skip'),
    catchUp: z.enum(CATCH_UPS).default('last'),
    jitter: Text.optional(),
    unattended: z.boolean().default(true),
    agentId: Id,
  })
  .superRefine((message, context) => {
    const problem = whenProblem(message);
    if (problem !== undefined)
      context.addIssue({ code: 'custom', path: [problem.field], message: problem.message });
  });
/** See the schema. */
export type SchedulePutMessage = z.infer<typeof SchedulePutMessage>;

/** Body of `schedule.pause`, `schedule.resume` and `schedule.delete`. */
export const ScheduleChangeMessage = z.strictObject({ scheduleId: Id, agentId: Id });
/** See the schema. */
export type ScheduleChangeMessage = z.infer<typeof ScheduleChangeMessage>;

/** Body of `schedule.get`. */
export const ScheduleGetMessage = z.strictObject({ scheduleId: Id, agentId: Id.optional() });
/** See the schema. */
export type ScheduleGetMessage = z.infer<typeof ScheduleGetMessage>;

/** Body of `schedule.list`. */
export const ScheduleListMessage = z.strictObject({
  /** The last one of the page before. */
  after: Id.optional(),
  limit: z.int().min(1).max(1_000).optional(),
  agentId: Id.optional(),
});
/** See the schema. */
export type ScheduleListMessage = z.infer<typeof ScheduleListMessage>;
