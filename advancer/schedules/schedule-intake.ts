import type { z } from 'zod';

import type { Bus, BusSubscription } from '../../src/bus/bus.ts';
import { QUEUE_GROUP, type ScheduleVerb, type Subjects } from '../../src/bus/subjects.ts';
import type { Json } from '../../src/json.ts';
import {
  ScheduleChangeMessage,
  ScheduleGetMessage,
  ScheduleListMessage,
  SchedulePutMessage,
} from '../../src/request/schedule-messages.ts';
import type { QueryTurns } from '../intake/query-turns.ts';
import type { ScheduleQueries } from './schedule-queries.ts';

/** Far above the size of a message that carries nothing of the sender's. */
const MAX_SMALL_BYTES = 8 * 1024;

/** What {@link openSchedules} needs from the rest of the replica. */
export interface ScheduleIntakeOptions {
  bus: Bus;
  subjects: Subjects;
  queryTurns: QueryTurns;
  schedules: ScheduleQueries;
}

/** Subscribes to what is asked about schedules. */
export function openSchedules(options: ScheduleIntakeOptions): BusSubscription[] {
  const { bus, subjects, queryTurns, schedules } = options;
  const open = <T>(
    verb: ScheduleVerb,
    schema: z.ZodType<T>,
    answer: (body: T) => Promise<Json>,
  ): BusSubscription => {
    const limit = verb === 'put' ? {} : { maxBytes: MAX_SMALL_BYTES };
    const query = { verb: `schedule.${verb}`, schema, answer, ...limit };
    const take = (message: Parameters<QueryTurns['take']>[0]): void =>
      queryTurns.take(message, 'schedule', query);
    return bus.subscribe(subjects.schedule(verb), take, { queue: QUEUE_GROUP });
  };
  return [
    open('put', SchedulePutMessage, (body) => schedules.put(body)),
    open('get', ScheduleGetMessage, (body) => schedules.get(body)),
    open('list', ScheduleListMessage, (body) => schedules.list(body)),
    open('pause', ScheduleChangeMessage, (body) => schedules.pause(body)),
    open('resume', ScheduleChangeMessage, (body) => schedules.resume(body)),
    open('delete', ScheduleChangeMessage, (body) => schedules.delete(body)),
  ];
}
