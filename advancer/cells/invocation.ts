import type { Clock } from '../../src/time/clock.ts';
import type { HttpAllow } from '../../src/config/http-allow.ts';
import type { JsonObject } from '../../src/json.ts';
import type { OutcomeClass } from '../../src/execution/outcome.ts';
import type { Observed } from '../../src/runbook/expect.ts';
import type { OutputMode } from '../../src/runbook/runbook.ts';
import type { Redaction } from '../secrets/redaction.ts';
import type { AbortCause } from './cells.ts';
import type { Cancellation } from './cancellation.ts';

/** How one call of an effect ended, before the cell's expectations judge it. */
export type Invocation =
  /** Definite; `code` names the kind of failure, should it be judged one. */
  | {
      kind: 'ended';
      observed: Observed;
      code: FailureCode;
      detail: JsonObject;
      /**
       * Set if cancellation was requested first: then only a success counts, anything else is
       * unknown.
       */
      cancelCause?: AbortCause | undefined;
      /** How long the receiver asks to wait. */
      retryAfterMs?: number | undefined;
    }
  /** Nothing was begun, for a reason that no expectation can predict: an error in the runbook. */
  | { kind: 'not_begun'; error: { message: string; code: FailureCode }; detail: JsonObject }
  | {
      kind: 'unknown';
      reason: AbortCause | 'crash';
      detail: JsonObject;
      /** How long the receiver asks to wait. */
      retryAfterMs?: number | undefined;
    }
  /** Nothing was begun, because this replica cannot; another one may. */
  | { kind: 'wrong_replica'; why: string; detail: JsonObject };

/** Kinds of definite failures, as `error.code` of a `failed` row. */
export type FailureCode =
  | 'placeholder'
  | 'threw'
  | 'not_spawned'
  | 'exit_code'
  | 'bad_request'
  | 'not_connected'
  | 'status'
  | 'unexpected';

/** Limits on an effect. */
export interface EffectLimits {
  /** The largest output of any effect. A larger one is lost. */
  outputBytes: number;
  /** How much of the end of a diagnostic is kept: stderr, and stdout if it is not the output. */
  diagnosticBytes: number;
  /** From asking an effect to end until it is killed, or a handler is abandoned. */
  graceMs: number;
  /** How long an attempt may take when its cell does not say. */
  timeoutMs: number;
  /** How long a probe may take. */
  probeTimeoutMs: number;
}

/** How every kind of effect is run. */
export interface InvocationOptions {
  clock: Clock;
  limits: EffectLimits;
  /** Where http calls may lead. */
  httpAllow: HttpAllow;
  cancellation: Cancellation;
  /** The value of a secret, for handlers. */
  secret: (name: string) => string | undefined;
  /** Redacts what comes out of the effect; it goes through this before it is parsed or cut. */
  redaction: () => Redaction;
  /** The cell's `output`; see there. */
  outputMode: OutputMode | undefined;
  /** Called once the effect has begun. */
  onBegun: () => void;
}

/** Nothing was begun, and no expectation can predict that. */
export function notBegun(code: 'placeholder' | 'bad_request', message: string): Invocation {
  return { kind: 'not_begun', error: { message, code }, detail: {} };
}

/** What is known of an effect that ended by itself. */
type Ended = Omit<Extract<Invocation, { kind: 'ended' }>, 'kind' | 'observed'> & {
  observed: Omit<Observed, 'class'>;
};

/** An effect that ended by itself, and whose ending has this class. */
export function endedAs(outcome: OutcomeClass, ended: Ended): Invocation {
  const { observed, detail, retryAfterMs } = ended;
  const message = observed.error ?? '';
  switch (outcome) {
    case 'succeeded':
    case 'refused':
    case 'notBegun':
      return { kind: 'ended', ...ended, observed: { ...observed, class: outcome } };
    case 'wrongReplica':
      return { kind: 'wrong_replica', why: message, detail };
    case 'unknown':
      return { kind: 'unknown', reason: 'crash', detail: { ...detail, message }, retryAfterMs };
  }
}

/** Nothing was begun, because this replica cannot. */
export function wrongReplica(why: string, error?: unknown): Invocation {
  return { kind: 'wrong_replica', why, detail: codeOf(error) };
}

/**
 * What the system answers when this process or machine has run out of something that beginning any
 * effect takes: processes or memory (EAGAIN, ENOMEM), file descriptors (EMFILE, ENFILE).
 */
const OUT_OF_RESOURCES = new Set(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM']);

/** Whether an error of the spawn or of the connect itself is this replica's shortage. */
export function isOutOfResources(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isOutOfResources);
  const { code } = codeOf(error);
  return typeof code === 'string' && OUT_OF_RESOURCES.has(code);
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  // One error per address of a host that could not be reached.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ');
  if (error instanceof Error) return error.message === '' ? error.name : error.message;
  return typeof error === 'string' ? error : 'something that is not an Error was thrown';
}

/** The `code` of a system error, as detail. */
export function codeOf(error: unknown): JsonObject {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? { code } : {};
}
