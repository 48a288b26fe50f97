import type { Timer } from '../../src/time/clock.ts';
import type { JsonObject } from '../../src/json.ts';
import type { EffectContext, Handler } from './cells.ts';
import type { Ending } from './ending.ts';
import { codeOf, messageOf, refused, type Invocation, type Surroundings } from './invocation.ts';
import { readOutput } from './output.ts';

type HandlerResult = { returned: true; value: unknown } | { returned: false; error: unknown };

/**
 * Calls a handler. Its return is a definite outcome, and so is a throw, unless it had been told to
 * end by then. A handler cannot be ended by force: one that does not end within the grace is left
 * running and called unknown.
 */
export async function runHandler(
  handler: Handler,
  context: EffectContext,
  { clock, limits, ending, begun }: Surroundings,
): Promise<Invocation> {
  let grace: Timer | undefined;
  const result = await new Promise<HandlerResult | undefined>((resolve) => {
    ending.onForced(() => {
      grace = clock.after(limits.graceMs, () => resolve(undefined));
    });
    const threw = (error: unknown): void => resolve({ returned: false, error });
    try {
      const returned = handler(new Call(context, ending));
      if (isThenable(returned)) returned.then((value) => resolve({ returned: true, value }), threw);
      else resolve({ returned: true, value: returned });
    } catch (error) {
      threw(error);
    }
    begun();
  });
  grace?.cancel();
  if (result === undefined) {
    return { kind: 'unknown', reason: ending.cause, detail: { stillRunning: true } };
  }
  const toldToEnd = ending.wanted ? ending.cause : undefined;
  if (!result.returned) {
    const observed = { error: messageOf(result.error) };
    const detail = {
      ...codeOf(result.error),
      ...(toldToEnd === undefined ? {} : { threw: observed.error }),
    };
    return { kind: 'ended', observed, code: 'threw', detail, toldToEnd };
  }
  const read = readOutput(result.value, limits.outputBytes);
  if (!read.ok) {
    const message = `the handler returned, but ${read.message}`;
    // An abort is never a failure, and what it returned says nothing.
    if (toldToEnd !== undefined) return { kind: 'unknown', reason: toldToEnd, detail: { message } };
    return refused(read.code, message);
  }
  return {
    kind: 'ended',
    observed: { output: read.output },
    code: 'unexpected',
    detail: {},
    toldToEnd,
  };
}

/**
 * What the handler is called with. It gets copies, so that one that changes what it was given
 * changes nobody else's view of the log; they and the signal are made when it first looks at them,
 * since an instance may have thousands of outputs, and most handlers look at few things.
 */
class Call {
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
  readonly #ending: Ending;

  // Members of the object itself, so that a copy of it has them. The same functions for every call:
  // with closures each call would be of a shape of its own, which is dear to the engine.
  static readonly #lazily: PropertyDescriptorMap = {
    inputs: onFirstUse('inputs', (call) => structuredClone(call.#context.inputs)),
    outputs: onFirstUse('outputs', (call) => structuredClone(call.#context.outputs)),
    signal: onFirstUse('signal', (call) => call.#ending.told),
  };

  constructor(context: EffectContext, ending: Ending) {
    this.instanceId = context.instanceId;
    this.cellId = context.cellId;
    this.attempt = context.attempt;
    this.fencingToken = context.fencingToken;
    this.idempotencyKey = context.idempotencyKey;
    this.requestId = context.requestId;
    this.#context = context;
    this.#ending = ending;
    Object.defineProperties(this, Call.#lazily);
  }
}

/** A member that is computed when it is first read, and is a plain one from then on. */
function onFirstUse(name: string, compute: (call: Call) => unknown): PropertyDescriptor {
  const become = (call: Call, value: unknown): void =>
    void Object.defineProperty(call, name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  return {
    get(this: Call) {
      const value = compute(this);
      become(this, value);
      return value;
    },
    set(this: Call, value: unknown) {
      become(this, value);
    },
    enumerable: true,
    configurable: true,
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}
