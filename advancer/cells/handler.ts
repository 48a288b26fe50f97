import { endingOfError } from '../../src/execution/handler-error.ts';
import { classOf } from '../../src/execution/outcome.ts';
import type { Timer } from '../../src/time/clock.ts';
import type { JsonObject } from '../../src/json.ts';
import type { EffectContext, Handler } from './cells.ts';
import type { Cancellation } from './cancellation.ts';
import {
  codeOf,
  endedAs,
  messageOf,
  type Invocation,
  type InvocationOptions,
} from './invocation.ts';
import { readOutput } from './output.ts';

type HandlerResult = { returned: true; value: unknown } | { returned: false; error: unknown };

/**
 * Calls a handler. A handler that returns has succeeded. What it throws says what is known of the
 * effect, unless cancellation was requested first: then nothing is. A handler cannot be ended by
 * force: one that does not end within the grace period is left running, and its outcome is unknown.
 */
export async function runHandler(
  handler: Handler,
  context: EffectContext,
  { clock, limits, cancellation, secret, redaction, onBegun }: InvocationOptions,
): Promise<Invocation> {
  let grace: Timer | undefined;
  const result = await new Promise<HandlerResult | undefined>((resolve) => {
    cancellation.onForced(() => {
      grace = clock.after(limits.graceMs, () => resolve(undefined));
    });
    const threw = (error: unknown): void => resolve({ returned: false, error });
    try {
      const returned = handler(new LazyCall(context, cancellation, secret));
      if (isThenable(returned)) returned.then((value) => resolve({ returned: true, value }), threw);
      else resolve({ returned: true, value: returned });
    } catch (error) {
      threw(error);
    }
    onBegun();
  });
  grace?.cancel();
  if (result === undefined) {
    return { kind: 'unknown', reason: cancellation.cause, detail: { stillRunning: true } };
  }
  const cancelCause = cancellation.requested ? cancellation.cause : undefined;
  if (!result.returned) {
    const observed = { error: messageOf(result.error) };
    const detail = codeOf(result.error);
    if (cancelCause !== undefined)
      return { kind: 'unknown', reason: cancelCause, detail: { ...detail, threw: observed.error } };
    return endedAs(classOf(endingOfError(result.error)), { observed, code: 'threw', detail });
  }
  const { output, detail } = readOutput(result.value, limits.outputBytes, redaction());
  return endedAs(classOf('returned'), {
    observed: { output },
    code: 'unexpected',
    detail,
    cancelCause,
  });
}

/**
 * What a handler is called with. It gets copies, so that a handler that modifies them does not
 * change the replica's view of the log. The copies and the signal are made when the handler first
 * reads them: an instance may have thousands of outputs, and most handlers read few of them.
 */
class LazyCall {
  readonly instanceId: string;
  readonly cellId: string;
  readonly attempt: number;
  readonly fencingToken: number;
  readonly idempotencyKey: string;
  readonly requestId: string | null | undefined;
  declare inputs: JsonObject;
  declare outputs: JsonObject;
  declare signal: AbortSignal;
  readonly #context: EffectContext;
  readonly #cancellation: Cancellation;
  readonly #secret: (name: string) => string | undefined;

  // Properties of the object itself, so that a copy of it has them. The same functions for every
  // call: with closures each call would have its own hidden class, which is expensive in V8.
  static readonly #lazily: PropertyDescriptorMap = {
    inputs: onFirstUse('inputs', (call) => structuredClone(call.#context.inputs)),
    outputs: onFirstUse('outputs', (call) => structuredClone(call.#context.outputs)),
    signal: onFirstUse('signal', (call) => call.#cancellation.signal),
  };

  constructor(
    context: EffectContext,
    cancellation: Cancellation,
    secret: (name: string) => string | undefined,
  ) {
    this.instanceId = context.instanceId;
    this.cellId = context.cellId;
    this.attempt = context.attempt;
    this.fencingToken = context.fencingToken;
    this.idempotencyKey = context.idempotencyKey;
    this.requestId = context.requestId;
    this.#context = context;
    this.#cancellation = cancellation;
    this.#secret = secret;
    Object.defineProperties(this, LazyCall.#lazily);
  }

  /** Not the object's own: a handler may return a copy of its call, and a function is no JSON. */
  get secret(): (name: string) => string | undefined {
    return this.#secret;
  }
}

/** A property that is computed when it is first read, and is a plain value from then on. */
function onFirstUse(name: string, compute: (call: LazyCall) => unknown): PropertyDescriptor {
  const become = (call: LazyCall, value: unknown): void =>
    void Object.defineProperty(call, name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  return {
    get(this: LazyCall) {
      const value = compute(this);
      become(this, value);
      return value;
    },
    set(this: LazyCall, value: unknown) {
      become(this, value);
    },
    enumerable: true,
    configurable: true,
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}
