import type { Clock } from '../../src/clock.ts';
import type { EffectContext, Handler, HandlerCall } from './cells.ts';
import type { Ending } from './ending.ts';
import { codeOf, messageOf, refused, type Invocation, type Surroundings } from './invocation.ts';
import { readOutput } from './output.ts';

/**
 * Calls a handler. Its return is a definite outcome, and so is a throw, unless it had been told to end by then. A
 * handler cannot be ended by force: one that does not end within the grace is left running and called unknown.
 */
export async function runHandler(
  handler: Handler,
  context: EffectContext,
  { clock, limits, ending, begun }: Surroundings,
): Promise<Invocation> {
  const called = (async () => handler(callOf(context, ending)))().then(
    (value) => ({ returned: true as const, value }),
    (error: unknown) => ({ returned: false as const, error }),
  );
  begun();
  const patience = patienceAfter(ending, clock, limits.graceMs);
  const result = await Promise.race([called, patience.ended]);
  patience.cancel();
  if (result === undefined) {
    return { kind: 'unknown', reason: ending.cause, detail: { stillRunning: true } };
  }
  const toldToEnd = ending.wanted ? ending.cause : undefined;
  if (!result.returned) {
    const observed = { error: messageOf(result.error) };
    const detail = { ...codeOf(result.error), ...(toldToEnd === undefined ? {} : { threw: observed.error }) };
    return { kind: 'ended', observed, code: 'threw', detail, toldToEnd };
  }
  const read = readOutput(result.value, limits.outputBytes);
  if (!read.ok) {
    const message = `the handler returned, but ${read.message}`;
    // An abort is never a failure, and what it returned says nothing.
    if (toldToEnd !== undefined) return { kind: 'unknown', reason: toldToEnd, detail: { message } };
    return refused(read.code, message);
  }
  return { kind: 'ended', observed: { output: read.output }, code: 'unexpected', detail: {}, toldToEnd };
}

/**
 * What the handler is called with. It gets copies, so that one that changes what it was given changes nobody else's
 * view of the log; they and the signal are made when it first looks at them, since an instance may have thousands of
 * outputs, and most handlers look at few things.
 */
function callOf(context: EffectContext, ending: Ending): HandlerCall {
  const { instanceId, cellId, attempt, fencingToken, idempotencyKey, requestId } = context;
  const call = { instanceId, cellId, attempt, fencingToken, idempotencyKey, requestId };
  return onFirstUse(call, {
    inputs: () => structuredClone(context.inputs),
    outputs: () => structuredClone(context.outputs),
    signal: () => ending.told,
  });
}

/** The object with further members, each computed when it is first read, and a plain member from then on. */
function onFirstUse<T extends object, M extends object>(
  target: T,
  members: { [K in keyof M]: () => M[K] },
): T & M {
  for (const [name, compute] of Object.entries<() => unknown>(members)) {
    const become = (value: unknown): void =>
      void Object.defineProperty(target, name, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    Object.defineProperty(target, name, {
      get() {
        const value = compute();
        become(value);
        return value;
      },
      set: become,
      enumerable: true,
      configurable: true,
    });
  }
  return target as T & M;
}

function patienceAfter(
  ending: Ending,
  clock: Clock,
  graceMs: number,
): { ended: Promise<undefined>; cancel(): void } {
  let cancel = (): void => undefined;
  const ended = new Promise<undefined>((resolve) => {
    ending.onForced(() => {
      const timer = clock.after(graceMs, () => resolve(undefined));
      cancel = () => timer.cancel();
    });
  });
  return { ended, cancel: () => cancel() };
}
