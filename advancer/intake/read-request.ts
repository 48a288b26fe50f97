import { z } from 'zod';

import type { BusMessage } from '../../src/bus/bus.ts';
import { Id, isId } from '../../src/ids.ts';
import { jsonOf, type Json } from '../../src/json.ts';
import type { Read, ReplyError } from '../../src/request/messages.ts';
import { agentIdProblem, type AgentIdPolicy } from './agent-account.ts';
import { readBody } from './body.ts';

/**
 * Reads a request that anybody may have sent: the id in its subject, its body, and whether the
 * agent id in it may be recorded.
 */
export function readRequest<T>(
  id: string,
  schema: z.ZodType<T>,
  message: Pick<BusMessage, 'data' | 'account'>,
  policy: AgentIdPolicy,
  maxBytes?: number,
): Read<T> {
  if (!isId(id)) {
    const problem = `the id in the subject must be 1 to 128 characters of A-Z a-z 0-9 _ -`;
    return { ok: false, error: { code: 'invalid', message: problem, field: 'subject' } };
  }
  const read = readBody(schema, message.data, maxBytes);
  const body: unknown = read.ok ? read.value : undefined;
  // A status is read by no agent in particular.
  if (typeof body !== 'object' || body === null || !('agentId' in body)) return read;
  const error = agentIdProblem(String(body.agentId), message.account, policy);
  return error === undefined ? read : { ok: false, error };
}

/**
 * `advance` always answers with a receipt; it has the request id if the body yields one.
 *
 * @param maxBytes a larger body is not read for it either
 */
export function invalidReceipt(
  instanceId: string,
  data: Uint8Array,
  error: ReplyError | undefined,
  maxBytes: number,
): Json {
  const id = readBody(z.looseObject({ requestId: Id }), data, maxBytes);
  return jsonOf({
    requestId: id.ok ? id.value.requestId : null,
    instanceId,
    outcome: 'invalid',
    steps: [],
    nextCellId: null,
    holder: null,
    error,
  });
}
