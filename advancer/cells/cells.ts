import type { Json, JsonObject } from '../../src/json.ts';
import type { Effect, ExecCell } from '../../src/runbook/runbook.ts';

/** What every effect is given. */
export interface EffectContext {
  instanceId: string;
  cellId: string;
  attempt: number;
  fencingToken: number;
  /** `instance/cell/run`: the same across interrupted attempts, new after a definite failure. */
  idempotencyKey: string;
  inputs: JsonObject;
  /** Outputs of earlier cells, by cell id. */
  outputs: JsonObject;
}

/** Why an effect is to end early. */
export type AbortCause = 'timeout' | 'aborted';

/**
 * How an attempt ended.
 *
 * `unknown` is never a failure: ended by a signal, reset after sending, timed out, or aborted.
 */
export type CellOutcome =
  /** Every expectation held. */
  | { kind: 'completed'; output: Json; detail: JsonObject }
  /** A definite outcome that was not the expected one. */
  | { kind: 'failed'; error: { message: string; code?: string }; output?: Json; detail: JsonObject }
  | { kind: 'unknown'; reason: 'timeout' | 'aborted' | 'crash'; detail: JsonObject };

/** What a probe answers about the attempt that it was asked about. */
export type ProbeAnswer =
  | { answer: 'happened'; output: Json }
  | { answer: 'did_not_happen' }
  /** The probe said so, or failed: the doubt stays. */
  | { answer: 'unknown'; why: string };

/** Runs cells' effects. The simulation puts its own in the place of the real one. */
export interface EffectRunner {
  /**
   * Runs the effect of one attempt and judges it by the cell's expectations. Resolves once the effect has ended
   * (a command's whole process group included), and never rejects.
   *
   * `signals.lost` fires when the lease is lost: a `hold` cell may go on to its end, others are ended at once.
   * `signals.abort` fires when the process must stop: every attempt is ended.
   */
  run(cell: ExecCell, context: EffectContext, signals: { lost: AbortSignal; abort: AbortSignal }): Promise<CellOutcome>;
  /** Runs a cell's probe about an interrupted attempt. Never rejects. */
  probe(effect: Effect, context: EffectContext, signal: AbortSignal): Promise<ProbeAnswer>;
}

/** A TypeScript function that a deployment registers for `exec: {handler: name}`. */
export type Handler = (call: HandlerCall) => Promise<Json | void> | Json | void;

/** What a handler is called with. */
export interface HandlerCall extends EffectContext {
  /** Fires when the lease is lost, on time-out and on shutdown; a handler should then end soon. */
  signal: AbortSignal;
}
