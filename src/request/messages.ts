import { z } from 'zod';

import { DERIVED_PREFIX, isDerived } from './derived.ts';
import { issueText } from './issue-text.ts';
import { Id } from '../ids.ts';
import { VERDICTS } from '../execution/row.ts';
import { isJsonObject, isStorable, type Json, type JsonObject } from '../json.ts';
import { inexactText, parseJsonText, type ParsedJson } from '../json-text.ts';

/** What was parsed as JSON is JSON: going through it once more took as long as parsing it. */
const JsonValue = z.custom<Json>((value) => value !== undefined, 'is required');
const JsonObjectValue = z.custom<JsonObject>(
  (value) => isJsonObject(value as Json | undefined),
  'must be an object',
);
const IsoTime = z.iso.datetime({
  offset: true,
  message: 'must be an ISO 8601 time such as 2030-01-31T12:00:00Z',
});

/** Body of `start`. */
export const StartMessage = z.strictObject({
  instanceId: Id,
  runbookId: Id,
  version: z.int().min(1).optional(),
  inputs: JsonObjectValue,
  agentId: Id,
  /** Whether it goes on by itself whenever it can; default: only when it is asked to. */
  unattended: z.boolean().optional(),
});
/** See the schema. */
export type StartMessage = z.infer<typeof StartMessage>;

/** Body of `runbook.get`. */
export const RunbookGetMessage = z.strictObject({
  runbookId: Id,
  /** Default: the newest. */
  version: z.int().min(1).optional(),
});
/** See the schema. */
export type RunbookGetMessage = z.infer<typeof RunbookGetMessage>;

/** Body of `status.<instanceId>`. */
export const StatusMessage = z.strictObject({
  log: z.boolean().optional(),
  requestId: Id.optional(),
  /** Returns the whole output of this cell. */
  cellId: Id.optional(),
});
/** See the schema. */
export type StatusMessage = z.infer<typeof StatusMessage>;

/** Body of `claim.<claimId>`. */
export const ClaimMessage = z.strictObject({
  status: z.string().min(1).max(256),
  agentId: Id,
  evidence: JsonValue.optional(),
});
/** See the schema. */
export type ClaimMessage = z.infer<typeof ClaimMessage>;

/** The id of an agent's request. */
const RequestId = Id.refine(
  (id) => !isDerived(id),
  `must not begin with ${DERIVED_PREFIX}: replicas name the requests so that they derive`,
);

/** Body of `advance.<instanceId>`. */
export const AdvanceMessage = z.strictObject({
  requestId: RequestId,
  agentId: Id,
  cellId: Id.optional(),
  maxCells: z.int().min(1).optional(),
  wait: z.boolean().optional(),
  expiresAt: IsoTime.optional(),
});
/** See the schema. */
export type AdvanceMessage = z.infer<typeof AdvanceMessage>;

/** Body of `enqueue.<instanceId>`: nobody waits for it, and it need not begin soon. */
export const EnqueueMessage = AdvanceMessage.omit({ wait: true });
/** See the schema. */
export type EnqueueMessage = z.infer<typeof EnqueueMessage>;

/** Body of `decide.<instanceId>`. */
export const DecideMessage = z
  .strictObject({
    agentId: Id,
    cellId: Id,
    attempt: z.int().min(1),
    as: z.enum(VERDICTS),
    reason: z.string().min(1).max(4096),
    output: JsonValue.optional(),
  })
  .superRefine((message, context) => {
    if (message.output !== undefined && message.as !== 'succeeded') {
      context.addIssue({
        code: 'custom',
        path: ['output'],
        message: 'is only used with as: succeeded',
      });
    }
  });
/** See the schema. */
export type DecideMessage = z.infer<typeof DecideMessage>;

/** Body of `cancel.<instanceId>`. */
export const CancelMessage = z.strictObject({
  agentId: Id,
  reason: z.string().min(1).max(4096),
  /** Undoes what was satisfied, in reverse order, before the instance is cancelled. */
  undo: z.boolean().optional(),
  /** Also cancels the instances that its `run` cells have started. */
  children: z.boolean().optional(),
});
/** See the schema. */
export type CancelMessage = z.infer<typeof CancelMessage>;

/** The codes of error replies. */
export type ErrorCode = 'invalid' | 'not_found' | 'conflict' | 'unavailable' | 'expired';

/** The content of an error reply. */
export interface ReplyError {
  code: ErrorCode;
  message: string;
  field?: string;
}

/** The result of reading a message's body. */
export type Read<T> = { ok: true; value: T } | { ok: false; error: ReplyError };

/** Larger bodies are refused unread. No message of the protocol comes near this size. */
const MAX_BODY_BYTES = 512 * 1024;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads an untrusted body: it must be within bounds, UTF-8, JSON without a number that a JavaScript
 * number would change, and of the right shape.
 */
export function readMessage<T>(
  schema: z.ZodType<T>,
  data: Uint8Array,
  maxBytes = MAX_BODY_BYTES,
): Read<T> {
  if (data.byteLength > maxBytes)
    return invalid(`the body has ${data.byteLength} bytes; at most ${maxBytes} are read`);
  let parsed: ParsedJson;
  try {
    parsed = parseJsonText(utf8.decode(data));
  } catch (cause) {
    return invalid(
      `the body is not JSON in UTF-8 (${cause instanceof Error ? cause.message : 'unreadable'})`,
    );
  }
  const [inexact] = parsed.inexact;
  if (inexact !== undefined) return inField(inexact.path, inexactText(inexact));
  if (!isStorable(parsed.value)) {
    return invalid(
      'the body holds a NUL character or half a surrogate pair, which cannot be stored',
    );
  }
  const result = schema.safeParse(parsed.value);
  if (result.success) return { ok: true, value: result.data };
  const issue = result.error.issues[0];
  if (issue === undefined) return invalid('the body has the wrong shape');
  // The message names the unknown field itself, so that the sender sees which one to drop.
  const path =
    issue.code === 'unrecognized_keys' ? [...issue.path, ...issue.keys.slice(0, 1)] : issue.path;
  const message =
    issue.code === 'unrecognized_keys' ? 'is not a field of this message' : issueText(issue);
  return inField(path.map(String), message);
}

function inField(path: readonly string[], message: string): { ok: false; error: ReplyError } {
  const field = path.join('.').slice(0, 128);
  return field === ''
    ? invalid(message)
    : { ok: false, error: { code: 'invalid', message: `${field}: ${message}`, field } };
}

function invalid(message: string): { ok: false; error: ReplyError } {
  return { ok: false, error: { code: 'invalid', message } };
}
