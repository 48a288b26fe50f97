import { z } from 'zod';

import { ROW_KINDS } from '../execution/row.ts';
import { INSTANCE_STATUSES } from '../execution/statuses.ts';
import { isJsonObject, type Json } from '../json.ts';
import type { ReplyError } from '../request/messages.ts';
import { RECORDED_OUTCOMES, REFUSED_OUTCOMES } from '../request/receipt.ts';
import type { Receipt } from '../request/receipt.ts';
import type { Runbook } from '../runbook/runbook.ts';
import type {
  CancelReply,
  ClaimReply,
  DecideReply,
  InstanceEvent,
  StartReply,
  StatusReply,
} from '../request/status-reply.ts';
import type { RowsReply } from '../request/rows.ts';
import { ScheduleSchemas, type ScheduleReplies } from './schedule-replies.ts';

/*
 * What an agent relies on in replies and events. Fields that are not named here pass through
 * untouched, so a newer replica may send more than this agent knows.
 */

const Holder = z.looseObject({ replicaId: z.string(), fencingToken: z.number() });
const Awaiting = z.looseObject({
  cellId: z.string(),
  claimId: z.string(),
  statuses: z.array(z.string()),
  currentStatus: z.string().nullable(),
  until: z.string().optional(),
});
const Waiting = z.looseObject({ cellId: z.string(), until: z.string() });
const Children = z.looseObject({ cellId: z.string(), ended: z.number(), total: z.number() });
const Unwinding = z.looseObject({ by: z.string(), reason: z.string() });
const Cancelled = Unwinding.extend({
  left: z.array(z.looseObject({ cellId: z.string(), attempt: z.number() })),
});
const Parent = z.looseObject({
  instanceId: z.string(),
  cellId: z.string(),
  n: z.number().optional(),
});
const InFlight = z.looseObject({
  cellId: z.string(),
  attempt: z.number(),
  requestId: z.string().nullable(),
  since: z.string(),
});
const InDoubt = z.looseObject({
  cellId: z.string(),
  attempt: z.number(),
  reason: z.string(),
  since: z.string(),
});
const DoubtInStatus = InDoubt.extend({
  happened: z.literal(true).optional(),
  lateOutcome: z
    .looseObject({ kind: z.string(), replicaId: z.string(), message: z.string().optional() })
    .optional(),
});

const ReceiptReply = z.looseObject({
  requestId: z.string().nullable(),
  instanceId: z.string(),
  outcome: z.enum([...RECORDED_OUTCOMES, ...REFUSED_OUTCOMES]),
  steps: z.array(
    z.looseObject({
      seq: z.number(),
      cellId: z.string(),
      kind: z.enum(ROW_KINDS),
      attempt: z.number(),
    }),
  ),
  nextCellId: z.string().nullable(),
  holder: Holder.nullable(),
  awaiting: Awaiting.optional(),
  waiting: Waiting.optional(),
  children: Children.optional(),
  unwinding: Unwinding.optional(),
  inFlight: InFlight.optional(),
  inDoubt: InDoubt.optional(),
  error: z
    .looseObject({ code: z.string(), message: z.string(), field: z.string().optional() })
    .optional(),
});

const RowReply = z.looseObject({
  instance_id: z.string(),
  seq: z.number(),
  fencing_token: z.number(),
  replica_id: z.string(),
  kind: z.enum(ROW_KINDS),
  cell_id: z.string(),
  attempt: z.number(),
  recorded_at: z.string(),
});

const Schemas = {
  receipt: ReceiptReply,
  status: z.looseObject({
    instanceId: z.string(),
    runbookId: z.string(),
    version: z.number(),
    status: z.enum(INSTANCE_STATUSES),
    nextCellId: z.string().nullable(),
    holder: Holder.nullable(),
    lastSeq: z.number(),
    cells: z.array(z.looseObject({ cellId: z.string(), type: z.string(), state: z.string() })),
    awaiting: Awaiting.optional(),
    waiting: Waiting.optional(),
    children: Children.optional(),
    unwinding: Unwinding.optional(),
    cancelled: Cancelled.optional(),
    parent: Parent.optional(),
    schedule: z.looseObject({ scheduleId: z.string(), tick: z.string() }).optional(),
    inFlight: InFlight.optional(),
    inDoubt: DoubtInStatus.optional(),
    log: z.array(RowReply).optional(),
    logTruncated: z.literal(true).optional(),
    receipt: ReceiptReply.optional(),
  }),
  ...ScheduleSchemas,
  start: z.looseObject({
    instanceId: z.string(),
    runbookId: z.string(),
    version: z.number(),
    created: z.boolean(),
  }),
  runbook: z.looseObject({
    runbook: z.string(),
    version: z.number(),
    inputs: z.union([z.array(z.string()), z.record(z.string(), z.looseObject({}))]),
    cells: z.array(z.looseObject({ id: z.string() })),
  }),
  claim: z.looseObject({ claimId: z.string(), revision: z.number(), status: z.string() }),
  decide: z.looseObject({ instanceId: z.string(), seq: z.number(), as: z.string() }),
  rows: z.looseObject({
    rows: z.array(RowReply),
    next: z.union([z.number(), z.string()]).optional(),
  }),
  cancel: z.looseObject({
    instanceId: z.string(),
    seq: z.number(),
    status: z.enum(INSTANCE_STATUSES),
  }),
  event: z.looseObject({
    instanceId: z.string(),
    rows: z.array(RowReply),
    status: z.enum(INSTANCE_STATUSES),
    receipt: ReceiptReply.optional(),
  }),
};

/** Each reply by the name of its schema. */
export interface Replies extends ScheduleReplies {
  receipt: Receipt;
  status: StatusReply;
  runbook: Runbook;
  start: StartReply;
  claim: ClaimReply;
  decide: DecideReply;
  cancel: CancelReply;
  rows: RowsReply;
  event: InstanceEvent;
}

const ErrorReply = z.looseObject({
  error: z.looseObject({
    code: z.enum(['invalid', 'not_found', 'conflict', 'unavailable', 'expired']),
    message: z.string(),
    field: z.string().optional(),
  }),
});

/** A reply after reading: the expected result, an error, or neither. */
export type ReadReply<T> =
  | { kind: 'result'; value: T }
  | { kind: 'error'; error: ReplyError }
  | { kind: 'malformed'; why: string };

/** The ids that a request was about, by the names that they have in a reply. */
export type AskedIds = Readonly<
  Partial<Record<'instanceId' | 'requestId' | 'claimId' | 'runbookId' | 'scheduleId', string>>
>;

/**
 * Whether a reply can be the answer to a request about these ids: it names no others. An error
 * names none. A request that could not be read is answered under no request id.
 */
export function answers(asked: AskedIds): (body: Json) => boolean {
  const ids = Object.entries(asked);
  return (body) =>
    !isJsonObject(body) ||
    ids.every(
      ([name, id]) =>
        body[name] === undefined ||
        body[name] === id ||
        (name === 'requestId' && body[name] === null && body['outcome'] === 'invalid'),
    );
}

/** As {@link answers}, for a status with the receipt that was asked for. */
export function answersStatus(
  instanceId: string,
  requestId: string | undefined,
): (body: Json) => boolean {
  const aboutInstance = answers({ instanceId });
  const ownReceipt = answers(requestId === undefined ? { instanceId } : { instanceId, requestId });
  return (body) =>
    aboutInstance(body) && (!isJsonObject(body) || ownReceipt(body['receipt'] ?? null));
}

/** Whether a reply can be this runbook, in this version if one was asked for. */
export function answersRunbook(
  runbookId: string,
  version: number | undefined,
): (body: Json) => boolean {
  return (body) =>
    !isJsonObject(body) ||
    body['error'] !== undefined ||
    (body['runbook'] === runbookId && (version === undefined || body['version'] === version));
}

/** Reads a reply that anybody may have sent. */
export function readReply<K extends keyof Replies>(name: K, body: Json): ReadReply<Replies[K]> {
  const failure = ErrorReply.safeParse(body);
  if (failure.success) return { kind: 'error', error: failure.data.error as ReplyError };
  const result = Schemas[name].safeParse(body);
  // Return the body itself, which keeps fields that this schema does not know.
  if (result.success) return { kind: 'result', value: body as unknown as Replies[K] };
  const issue = result.error.issues[0];
  const where =
    issue === undefined || issue.path.length === 0 ? 'the body' : issue.path.map(String).join('.');
  return {
    kind: 'malformed',
    why: `the reply is not a valid ${name} reply (${where}: ${issue?.message ?? 'wrong shape'})`,
  };
}
