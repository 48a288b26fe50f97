import { z } from 'zod';

import type { ScheduleDetails, ScheduleList, ScheduleReply } from '../request/schedule-reply.ts';
import { TICK_OUTCOMES } from '../schedule/tick-rule.ts';

const Revised = z.looseObject({
  scheduleId: z.string(),
  revision: z.number(),
  next: z.array(z.string()),
});
const Tick = z.looseObject({ tick: z.string(), outcome: z.enum(TICK_OUTCOMES) });

/** What an agent relies on in replies about schedules. */
export const ScheduleSchemas = {
  schedule: Revised,
  scheduleDetails: Revised.extend({
    runbookId: z.string(),
    paused: z.boolean(),
    ticks: z.array(Tick),
  }),
  schedules: z.looseObject({
    schedules: z.array(
      Revised.extend({ runbookId: z.string(), paused: z.boolean(), newest: Tick.optional() }),
    ),
    next: z.string().optional(),
  }),
};

/** Each of these replies by the name of its schema. */
export interface ScheduleReplies {
  schedule: ScheduleReply;
  scheduleDetails: ScheduleDetails;
  schedules: ScheduleList;
}
