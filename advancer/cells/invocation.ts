import type { Clock } from '../../src/time/clock.ts';
import type { JsonObject } from '../../src/json.ts';
import type { Observed } from '../../src/runbook/expect.ts';
import type { AbortCause } from './cells.ts';
import type { Ending } from './ending.ts';

/** How one call of an effect ended, before the cell's expectations judge it. */
export type Invocation =
  /** Definite; `code` names the kind of failure, should it be judged one. */
  | {
      kind: 'ended';
      observed: Observed;
      code: FailureCode;
      detail: JsonObject;
      /**
       * The effect knew by then that it was to end: only a success counts, anything else is
       * unknown.
       */
      toldToEnd?: AbortCause | undefined;
    }
  /**
   * A definite failure that no expectation can have predicted: of the runbook, or an unusable
   * output.
   */
  | { kind: 'refused'; error: { message: string; code: FailureCode }; detail: JsonObject }
  | { kind: 'unknown'; reason: AbortCause | 'crash'; detail: JsonObject };

/** Kinds of definite failures, as `error.code` of a `failed` row. */
export type FailureCode =
  | 'placeholder'
  | 'unknown_handler'
  | 'threw'
  | 'not_spawned'
  | 'exit_code'
  | 'bad_request'
  | 'not_connected'
  | 'status'
  | 'unexpected'
  | 'bad_output'
  | 'output_too_large';

/** Bounds of an effect. */
export interface Limits {
  /** The largest output, of whichever kind. */
  outputBytes: number;
  /** How much of the end of stderr is kept. */
  stderrBytes: number;
  /** From asking an effect to end until it is ended by force, or a handler is given up. */
  graceMs: number;
  /** How long an attempt may take when its cell does not say. */
  timeoutMs: number;
  /** How long a probe may take. */
  probeTimeoutMs: number;
}

/** What every kind of effect is run with. */
export interface Surroundings {
  clock: Clock;
  limits: Limits;
  ending: Ending;
  /** Called once the effect has begun. */
  begun: () => void;
}

/** A definite failure that no expectation can have predicted. */
export function refused(code: FailureCode, message: string, detail: JsonObject = {}): Invocation {
  return { kind: 'refused', error: { message, code }, detail };
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  // One for each address of a host that could not be reached.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ');
  if (error instanceof Error) return error.message === '' ? error.name : error.message;
  return typeof error === 'string' ? error : 'something that is not an Error was thrown';
}

/** The `code` of a system error, as a piece of detail. */
export function codeOf(error: unknown): JsonObject {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? { code } : {};
}
