import type { Json, JsonObject } from '../../src/json.ts';
import type { OutcomeClass } from '../../src/execution/outcome.ts';
import type { Ends } from '../../src/lease/holding.ts';
import type { EffectContext } from '../../src/runbook/handler.ts';
import type { Effect, ExecCell } from '../../src/runbook/runbook.ts';

export type { EffectContext, Handler } from '../../src/runbook/handler.ts';

/** What may be known of an effect that ended by itself. */
export type DefiniteClass = Extract<OutcomeClass, 'succeeded' | 'refused' | 'notBegun'>;

/** Why an effect is to end early. */
export type AbortCause = 'timeout' | 'aborted';

/**
 * How an attempt ended. `src/execution/outcome.ts` says what is which, and how it is recorded.
 *
 * `unknown` is not a failure: ended by a signal, reset after sending, timed out, or aborted.
 */
export type CellOutcome =
  /** Every expectation held. */
  | { kind: 'completed'; output: Json; detail: JsonObject }
  /** A definite outcome, but not the expected one. `class` says what is known of the effect. */
  | {
      kind: 'failed';
      class: DefiniteClass;
      error: { message: string; code?: string };
      output?: Json;
      detail: JsonObject;
      /** How long the receiver asks to wait. */
      retryAfterMs?: number | undefined;
    }
  | {
      kind: 'unknown';
      reason: 'timeout' | 'aborted' | 'crash';
      detail: JsonObject;
      /** How long the receiver asks to wait. */
      retryAfterMs?: number | undefined;
    }
  /** A definite outcome, but its output was lost, and without it `expect` cannot be evaluated. */
  | { kind: 'unverified'; class: DefiniteClass; output: Json; detail: JsonObject }
  /** Nothing was begun, because of this replica and not of the cell: another one may run it. */
  | { kind: 'wrong_replica'; why: string; detail: JsonObject };

/** Why this replica cannot run an effect. It says nothing about the effect: another one may. */
export interface Unfit {
  why: string;
  /** The handler that it lacks, if that is the reason. */
  handler?: string | undefined;
  /** All secrets that the effect receives, if it lacks one of them. */
  secrets?: readonly string[] | undefined;
}

/** What a probe answers about an attempt. */
export type ProbeAnswer =
  /** `detail` is about the output, as in an outcome; absent if there is nothing to say. */
  | { answer: 'happened'; output: Json; detail?: JsonObject }
  | { answer: 'did_not_happen' }
  /** The probe was not begun, because of this replica: another one may run it. */
  | { answer: 'wrong_replica'; why: string }
  /** The probe said so, or failed: the attempt stays in doubt. */
  | { answer: 'unknown'; why: string };

/** What reaches an effect from outside while it runs. */
export interface EffectSignals {
  /** The lease, which may be lost. */
  lease: Ends;
  /** The process must stop. */
  abort: AbortSignal;
  /** It ends when the instance is to be cancelled. */
  notCancelled: Ends;
}

/** Runs the effects of cells. The simulation has its own implementation. */
export interface EffectRunner {
  /**
   * Runs the effect of one attempt and judges it by the cell's expectations. Resolves once the
   * effect has ended (a command's whole process group included), and never rejects.
   *
   * When `signals.lease` ends, the lease is lost: the effect of a `hold` cell may run to its end,
   * others are ended at once. `signals.abort` fires when the process must stop, and
   * `signals.notCancelled` ends when the instance is to be cancelled: every effect is ended.
   */
  run(cell: ExecCell, context: EffectContext, signals: EffectSignals): Promise<CellOutcome>;
  /**
   * Why this replica cannot run the effect, as far as that can be found out before it is begun: it
   * lacks the handler or a secret, or a command has no temporary directory. Undefined if nothing is
   * known to prevent it.
   */
  unfitFor(effect: Effect): Unfit | undefined;
  /** Runs a cell's probe about an interrupted attempt. Never rejects. */
  probe(effect: Effect, context: EffectContext, signal: AbortSignal): Promise<ProbeAnswer>;
}
