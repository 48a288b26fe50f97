import { z } from 'zod';

import type { StoredMessage } from '../../src/bus/request-stream.ts';
import { subjectRest } from '../../src/bus/subjects.ts';
import { Id, isId } from '../../src/ids.ts';
import { DERIVED_PREFIX, isDerived } from '../../src/request/derived.ts';
import { EnqueueMessage, type ReplyError } from '../../src/request/messages.ts';
import { agentIdProblem, type AgentIdPolicy } from '../intake/agent-account.ts';
import { readBody } from '../intake/body.ts';
import { readRequest } from '../intake/read-request.ts';

/** Far above the size of a request that carries nothing of the sender's. */
const MAX_BYTES = 8 * 1024;

/** A request as it was enqueued. */
export interface EnqueuedRequest {
  instanceId: string;
  requestId: string;
  /** Null if the message does not say, or is not believed. */
  agentId: string | null;
  cellId?: string | undefined;
  maxCells?: number | undefined;
  expiresAt?: string | undefined;
  /** Why it is refused; it has a request id all the same, and so gets a receipt. */
  invalid?: ReplyError | undefined;
}

/** What an enqueued message says. */
export type ReadEnqueued =
  | { kind: 'request'; request: EnqueuedRequest }
  /** Nobody could be told what became of it. */
  | { kind: 'unreadable'; why: string };

/** Reads a message that anybody may have put into the stream. */
export function readEnqueued(
  message: Pick<StoredMessage, 'subject' | 'data' | 'account'>,
  policy: AgentIdPolicy,
): ReadEnqueued {
  const instanceId = subjectRest(message.subject);
  if (!isId(instanceId))
    return unreadable('the subject does not end in an instance id of 1 to 128 of A-Z a-z 0-9 _ -');
  const read = readRequest(instanceId, EnqueueMessage, message, policy, MAX_BYTES);
  if (read.ok) return ofAgents({ ...read.value, instanceId });
  const ids = readBody(z.looseObject({ requestId: Id }), message.data, MAX_BYTES);
  if (!ids.ok) return unreadable(`it has no readable request id: ${ids.error.message}`);
  const { requestId } = ids.value;
  const agentId = believedAgent(message, policy);
  return ofAgents({ instanceId, requestId, agentId, invalid: read.error });
}

function ofAgents(request: EnqueuedRequest): ReadEnqueued {
  return isDerived(request.requestId)
    ? unreadable(
        `requestId: ids that begin with ${DERIVED_PREFIX} are the replicas' own; choose another`,
      )
    : { kind: 'request', request };
}

function believedAgent(
  { data, account }: Pick<StoredMessage, 'data' | 'account'>,
  policy: AgentIdPolicy,
): string | null {
  const read = readBody(z.looseObject({ agentId: Id }), data, MAX_BYTES);
  if (!read.ok) return null;
  const { agentId } = read.value;
  return agentIdProblem(agentId, account, policy) === undefined ? agentId : null;
}

function unreadable(why: string): ReadEnqueued {
  return { kind: 'unreadable', why };
}

const Forwarded = z.strictObject({
  requestId: Id,
  agentId: Id.nullable(),
  cellId: Id.optional(),
  maxCells: z.int().min(1).optional(),
  expiresAt: z.string().optional(),
  invalid: z
    .strictObject({
      code: z.enum(['invalid', 'not_found', 'conflict', 'unavailable', 'expired']),
      message: z.string(),
      field: z.string().optional(),
    })
    .optional(),
});

/** The request as one replica forwards it to another, which believes what that one found. */
export function forwardedBody(request: EnqueuedRequest): string {
  return JSON.stringify({ ...request, instanceId: undefined });
}

/** Reads what {@link forwardedBody} wrote; undefined for anything else. */
export function readForwarded(instanceId: string, body: string): EnqueuedRequest | undefined {
  const read = readBody(Forwarded, new TextEncoder().encode(body), 2 * MAX_BYTES);
  return read.ok
    ? { ...(read.value as Omit<EnqueuedRequest, 'instanceId'>), instanceId }
    : undefined;
}
