import { createHash } from 'node:crypto';

import { jsonOf, type Json } from '../../src/json.ts';
import { isRecorded } from '../../src/request/receipt.ts';
import type {
  AdvanceMessage,
  CancelMessage,
  DecideMessage,
  ReplyError,
} from '../../src/request/messages.ts';
import type { Counted } from '../run/context.ts';
import type { AdvanceRequest } from '../run/active-request.ts';
import { refusedOutright } from '../run/receipts.ts';
import type { Operation, Served } from './pending-request.ts';

/** An advance expires at most this long after its arrival. */
const MAX_EXPIRY_MS = 24 * 60 * 60 * 1_000;
/** The clock of an agent may be ahead of this one. */
const CLOCK_TOLERANCE_MS = 60_000;
/** How long after its arrival an advance without `expiresAt` may be admitted. */
const DEFAULT_EXPIRY_MS = 30_000;
/** How long a decision, or a notice that something can be settled, is remembered. */
const SHORT_EXPIRY_MS = 10_000;

/**
 * How long a cancel is remembered: the holder of a running attempt may have died, and then its
 * lease has to end first.
 */
const CANCEL_EXPIRY_MS = 30_000;

/** What is wrong with the expiry of an advance; undefined if nothing is. */
export function expiryProblem(
  { expiresAt }: AdvanceMessage,
  nowMs: number,
): ReplyError | undefined {
  if (expiresAt === undefined) return undefined;
  if (Date.parse(expiresAt) <= nowMs + MAX_EXPIRY_MS + CLOCK_TOLERANCE_MS) return undefined;
  const message = `expiresAt: must be at most one day ahead, not ${expiresAt}; send the request again when it has expired`;
  return { code: 'invalid', message, field: 'expiresAt' };
}

/** An advance as an operation; its receipt is the reply. */
export function advanceOperation(
  instanceId: string,
  message: AdvanceMessage,
  arrivedAtMs: number,
  count: (event: Counted) => void,
): Operation {
  const expiresAtMs =
    message.expiresAt === undefined
      ? arrivedAtMs + DEFAULT_EXPIRY_MS
      : Date.parse(message.expiresAt);
  const request: AdvanceRequest = {
    instanceId,
    requestId: message.requestId,
    agentId: message.agentId,
    cellId: message.cellId,
    maxCells: message.maxCells,
    wait: message.wait ?? false,
    expiresAtMs,
  };
  return {
    key: `advance/${instanceId}/${message.requestId}`,
    instanceId,
    requestId: message.requestId,
    // What is kept of an advance is small, however large the message was.
    share: { agentId: message.agentId, bytes: 0 },
    expiresAtMs,
    runsEffects: true,
    async serve(held, progress) {
      const handled = await held.advance(request, progress);
      if (handled.kind === 'handed_on') return handled;
      const { outcome } = handled.receipt;
      if (handled.kind === 'wrong_replica') {
        const refusal = (): Json => {
          count({ what: 'receipt', outcome });
          return jsonOf(handled.receipt);
        };
        return { kind: 'wrong_replica', wrong: handled, refusal };
      }
      count({ what: 'receipt', outcome });
      if (outcome === 'not_found') return { kind: 'no_instance', reply: jsonOf(handled.receipt) };
      return { kind: 'answered', reply: jsonOf(handled.receipt), recorded: isRecorded(outcome) };
    },
    forward() {
      // With the expiry that was counted from its arrival here.
      const body = JSON.stringify({ ...message, expiresAt: new Date(expiresAtMs).toISOString() });
      return { verb: 'advance', instanceId, body };
    },
    refusal(outcome, why) {
      count({ what: 'receipt', outcome });
      return jsonOf(refusedOutright(request, outcome, why));
    },
  };
}

/** A decision as an operation. Repeated, it is refused: it has been decided. */
export function decideOperation(
  instanceId: string,
  message: DecideMessage,
  body: Uint8Array,
  arrivedAtMs: number,
): Operation {
  return {
    key: keyOf('decide', instanceId, body),
    instanceId,
    share: { agentId: message.agentId, bytes: body.byteLength },
    expiresAtMs: arrivedAtMs + SHORT_EXPIRY_MS,
    runsEffects: false,
    async serve(held) {
      const decided = await held.decide(message);
      switch (decided.kind) {
        case 'handed_on':
          return decided;
        case 'refused':
          return refused(decided.error);
        case 'decided': {
          const { seq, as } = decided;
          return { kind: 'answered', reply: { instanceId, seq, as }, recorded: true };
        }
      }
    },
    forward: () => ({ verb: 'decide', instanceId, body: new TextDecoder().decode(body) }),
    refusal: refusalOf,
  };
}

/** A cancel as an operation. Repeated, it is refused: the instance is cancelled. */
export function cancelOperation(
  instanceId: string,
  message: CancelMessage,
  body: Uint8Array,
  arrivedAtMs: number,
): Operation {
  const { agentId, reason, undo, children } = message;
  const expiresAtMs = arrivedAtMs + CANCEL_EXPIRY_MS;
  const request = { by: agentId, reason, undo, children, arrivedAtMs, expiresAtMs };
  return {
    key: keyOf('cancel', instanceId, body),
    instanceId,
    share: { agentId, bytes: body.byteLength },
    expiresAtMs,
    // It may run a probe, but does not depend on that.
    runsEffects: false,
    async serve(held, { remembered }) {
      const cancelled = await held.cancel({ ...request, remembered });
      switch (cancelled.kind) {
        case 'handed_on':
          return cancelled;
        case 'refused':
          return refused(cancelled.error);
        case 'cancelled': {
          const { seq, status } = cancelled;
          return { kind: 'answered', reply: { instanceId, seq, status }, recorded: true };
        }
      }
    },
    forward: () => ({ verb: 'cancel', instanceId, body: new TextDecoder().decode(body) }),
    refusal: refusalOf,
  };
}

/** The same body is the same request, from any sender. */
function keyOf(verb: string, instanceId: string, body: Uint8Array): string {
  const digest = createHash('sha256').update(body).digest('base64url').slice(0, 22);
  return `${verb}/${instanceId}/${digest}`;
}

function refused(error: ReplyError): Served {
  return error.code === 'not_found'
    ? { kind: 'no_instance', reply: errorReply(error) }
    : { kind: 'answered', reply: errorReply(error), recorded: false };
}

function refusalOf(code: 'unavailable' | 'expired' | 'not_found', message: string): Json {
  return errorReply({ code, message, ...(code === 'not_found' && { field: 'instanceId' }) });
}

/** A notice that an instance has something to settle; nobody waits for a reply. */
export function settleOperation(instanceId: string, arrivedAtMs: number): Operation {
  return {
    key: `settle/${instanceId}`,
    instanceId,
    share: { agentId: undefined, bytes: 0 },
    expiresAtMs: arrivedAtMs + SHORT_EXPIRY_MS,
    runsEffects: true,
    async serve(held) {
      const settled = await held.settle();
      if (typeof settled === 'object')
        return { kind: 'wrong_replica', wrong: settled, refusal: () => null };
      return { kind: 'answered', reply: null, recorded: true };
    },
    refusal: () => null,
  };
}

/** The instance in an operation's key; empty for a string without one. */
export function instanceOfKey(key: string): string {
  return key.split('/', 2)[1] ?? '';
}

/** An error reply, as every verb but `advance` sends it. */
export function errorReply(error: ReplyError): Json {
  return { error: jsonOf(error) };
}
