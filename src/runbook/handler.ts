import type { Json, JsonObject } from '../json.ts';

/** What every effect gets. */
export interface EffectContext {
  instanceId: string;
  cellId: string;
  attempt: number;
  fencingToken: number;
  /** `instance/cell/run`: the same across interrupted attempts, new after a definite refusal. */
  idempotencyKey: string;
  /** The request for which the attempt is made. */
  requestId?: string | null | undefined;
  inputs: JsonObject;
  /** Outputs of earlier cells, by cell id. */
  outputs: JsonObject;
}

/**
 * A function that a deployment registers for `exec: {handler: name}`. Returning means that the
 * effect happened, throwing that it was refused. It throws `NotBegun` or `OutcomeUnknown` to say
 * otherwise.
 */
export type Handler = (call: HandlerCall) => Promise<Json | void> | Json | void;

/** What a handler is called with. */
export interface HandlerCall extends EffectContext {
  /** Fires when the lease is lost, on time-out and on shutdown; a handler should then end soon. */
  signal: AbortSignal;
  /**
   * The value that a secret of the replica has now; undefined if the replica lacks it. The handler
   * decides what that means: whether its effect had begun is for it to know.
   */
  secret: (name: string) => string | undefined;
}
