import { expect } from 'vitest';
import { z } from 'zod';

/*
 * The shapes of the contract, written from its text and not from the sources. They are strict: a
 * field that the contract does not name is a breach of the contract until the contract names it.
 */

const id = z.string().regex(/^[A-Za-z0-9_-]{1,128}$/);
const whole = z.int().min(0);
const time = z.iso.datetime({ offset: true });

/** `<name>-<8 hex>` */
const ReplicaId = z.string().regex(/^[A-Za-z0-9_-]+-[0-9a-f]{8}$/);

const Kind = z.enum([
  'started',
  'completed',
  'failed',
  'interrupted',
  'decided',
  'satisfied',
  'refuted',
  'skipped',
  'unwinding',
  'cancelled',
]);
const Status = z.enum([
  'ready',
  'running',
  'parked',
  'in_doubt',
  'halted',
  'completed',
  'cancelled',
]);

/** The error of a reply, and of a receipt that was refused. */
const Failure = z.strictObject({
  code: z.string(),
  message: z.string().min(1),
  field: z.string().min(1).optional(),
});

/** The answer of every verb but `advance` when there is no result. */
export const ErrorReply = z.strictObject({
  error: Failure.extend({
    code: z.enum(['invalid', 'not_found', 'conflict', 'unavailable', 'expired']),
  }),
});

export const StartReply = z.strictObject({
  instanceId: id,
  runbookId: id,
  version: z.int().min(1),
  created: z.boolean(),
});

export const ClaimReply = z.strictObject({
  claimId: id,
  revision: z.int().min(1),
  status: z.string(),
});

export const DecideReply = z.strictObject({
  instanceId: id,
  seq: z.int().min(1),
  as: z.enum(['succeeded', 'failed', 'rerun', 'skipped']),
});

export const CancelReply = z.strictObject({ instanceId: id, seq: z.int().min(1), status: Status });

const Holder = z.strictObject({ replicaId: ReplicaId, fencingToken: z.int().min(1) });
const InFlight = z.strictObject({
  cellId: id,
  attempt: z.int().min(1),
  requestId: id,
  since: time,
});
const InDoubt = z.strictObject({
  cellId: id,
  attempt: z.int().min(1),
  reason: z.string().min(1),
  since: time,
});
const LateOutcome = z.strictObject({
  kind: z.enum(['completed', 'failed', 'not_started', 'unverified']),
  replicaId: ReplicaId,
  message: z.string().optional(),
});
/** Only a status shows what is known besides the log. */
const DoubtInStatus = InDoubt.extend({
  happened: z.literal(true).optional(),
  lateOutcome: LateOutcome.optional(),
});
const Awaiting = z.strictObject({
  cellId: id,
  claimId: id,
  statuses: z.array(z.string()).min(1),
  // null: the claim was never made.
  currentStatus: z.string().nullable(),
  until: time.optional(),
});
const Waiting = z.strictObject({ cellId: id, until: time });
const Children = z.strictObject({ cellId: id, ended: whole, total: whole });
const Unwinding = z.strictObject({ by: z.string().min(1), reason: z.string().min(1) });
/** What a parked instance waits for. */
const WAITS = {
  awaiting: Awaiting.optional(),
  waiting: Waiting.optional(),
  children: Children.optional(),
};
const waits = (reply: { awaiting?: unknown; waiting?: unknown; children?: unknown }): boolean =>
  reply.awaiting !== undefined || reply.waiting !== undefined || reply.children !== undefined;

export const OUTCOMES = [
  'completed',
  'advanced',
  'parked',
  'halted',
  'cancelled',
  'in_flight',
  'in_doubt',
  'out_of_order',
  'not_found',
  'expired',
  'invalid',
  'unavailable',
] as const;

export const Receipt = z
  .strictObject({
    // null only if the request had none that could be read.
    requestId: id.nullable(),
    instanceId: z.string(),
    outcome: z.enum(OUTCOMES),
    steps: z.array(
      z.strictObject({ seq: z.int().min(1), cellId: id, kind: Kind, attempt: z.int().min(1) }),
    ),
    // Only if a message cannot hold all of them.
    stepsTruncated: z.literal(true).optional(),
    // null when no cell is left, or when the instance is not known.
    nextCellId: id.nullable(),
    // null when no replica held the instance.
    holder: Holder.nullable(),
    ...WAITS,
    unwinding: Unwinding.optional(),
    inFlight: InFlight.optional(),
    inDoubt: InDoubt.optional(),
    error: Failure.optional(),
  })
  .superRefine((receipt, context) => {
    const { outcome } = receipt;
    const must = (ok: boolean, message: string): void => {
      if (!ok) context.addIssue({ code: 'custom', message: `${outcome}: ${message}` });
    };
    must(outcome === 'invalid' || receipt.requestId !== null, 'a request id');
    must((outcome === 'parked') === waits(receipt), 'what it waits for if and only if parked');
    must(
      (outcome === 'in_flight') === (receipt.inFlight !== undefined),
      'inFlight if and only if in_flight',
    );
    must(
      (outcome === 'in_doubt') === (receipt.inDoubt !== undefined),
      'inDoubt if and only if in_doubt',
    );
    const refused = ['out_of_order', 'not_found', 'expired', 'invalid', 'unavailable'].includes(
      outcome,
    );
    must(!refused || receipt.error?.code === outcome, 'an error of the same code');
    must(!(refused || outcome === 'in_flight') || receipt.steps.length === 0, 'no steps');
  });

/** A row on the wire: the columns of `executions`. */
export const WireRow = z.strictObject({
  instance_id: id,
  seq: z.int().min(1),
  fencing_token: z.int().min(1),
  replica_id: ReplicaId,
  kind: Kind,
  cell_id: id,
  attempt: z.int().min(1),
  request_id: id.nullable(),
  agent_id: id.nullable(),
  body: z.record(z.string(), z.unknown()),
  recorded_at: time,
});
export type WireRow = z.infer<typeof WireRow>;

export const StatusReply = z
  .strictObject({
    instanceId: id,
    runbookId: id,
    title: z.string().optional(),
    version: z.int().min(1),
    status: Status,
    nextCellId: id.nullable(),
    holder: Holder.nullable(),
    lastSeq: whole,
    unattended: z.boolean(),
    due: z.literal(true).optional(),
    cells: z.array(
      z.strictObject({
        cellId: id,
        title: z.string().optional(),
        type: z.enum(['prose', 'exec', 'await', 'assert', 'run']),
        state: z.string().min(1),
        attempt: z.int().min(1).optional(),
        output: z.unknown().optional(),
        outputTruncated: z.literal(true).optional(),
        error: z.strictObject({ code: z.string().optional(), message: z.string() }).optional(),
      }),
    ),
    ...WAITS,
    unwinding: Unwinding.optional(),
    cancelled: Unwinding.extend({
      left: z.array(DoubtInStatus.omit({ reason: true, since: true })),
    }).optional(),
    parent: z.strictObject({ instanceId: id, cellId: id, n: whole.optional() }).optional(),
    schedule: z.strictObject({ scheduleId: id, tick: time }).optional(),
    inFlight: InFlight.optional(),
    inDoubt: DoubtInStatus.optional(),
    log: z.array(WireRow).optional(),
    logTruncated: z.literal(true).optional(),
    receipt: Receipt.optional(),
  })
  .superRefine((reply, context) => {
    const must = (ok: boolean, message: string): void => {
      if (!ok) context.addIssue({ code: 'custom', message: `${reply.status}: ${message}` });
    };
    // The children that are cancelled with it are shown until all have ended.
    const ends = (reply.cancelled ?? reply.unwinding) !== undefined;
    const waiting = waits(ends ? { ...reply, children: undefined } : reply);
    must((reply.status === 'parked') === waiting, 'what it waits for if and only if parked');
    must(!reply.unattended || reply.due === undefined, 'due only if it has to be asked');
    must(
      (reply.status === 'cancelled') === (reply.cancelled !== undefined),
      'cancelled if and only if cancelled',
    );
    must(
      (reply.status === 'running') === (reply.inFlight !== undefined),
      'inFlight if and only if running',
    );
    must(
      (reply.status === 'in_doubt') === (reply.inDoubt !== undefined),
      'inDoubt if and only if in_doubt',
    );
    must(
      reply.log === undefined ||
        (reply.log.length === reply.lastSeq) === (reply.logTruncated === undefined),
      'the whole log, or logTruncated',
    );
  });

export const Event = z.strictObject({
  instanceId: id,
  rows: z.array(WireRow.extend({ body_truncated: z.literal(true).optional() })),
  status: Status,
  receipt: Receipt.optional(),
});
export type Event = z.infer<typeof Event>;

export const LeaseValue = z.strictObject({ replicaId: ReplicaId });

export const ReplicaValue = z.strictObject({
  replicaId: ReplicaId,
  name: z.string().min(1),
  pid: z.int().min(1),
  httpUrl: z.string().regex(/^http:\/\/\S+:\d+$/),
  handlers: z.array(z.string()),
  effectSecrets: z.array(z.string()),
  mac: z.literal(1),
  secrets: z.array(z.string()),
});

export const ReadyLine = z.strictObject({
  ready: z.literal(true),
  replicaId: ReplicaId,
  pid: z.int().min(1),
  httpUrl: z.string().regex(/^http:\/\/\S+:\d+$/),
});

/**
 * Reads a value that must have the shape; a failure says where it does not, and shows the value.
 */
export function read<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (!result.success) {
    expect.fail(`${z.prettifyError(result.error)}\nin ${JSON.stringify(value, undefined, 1)}`);
  }
  return result.data;
}

/** The lines of a command's standard output, each of which must be one JSON value. */
export function jsonLines(text: string): unknown[] {
  const lines = text.split('\n');
  expect(lines.pop(), `ends with a line break: ${JSON.stringify(text)}`).toBe('');
  return lines.map((line) => JSON.parse(line) as unknown);
}
