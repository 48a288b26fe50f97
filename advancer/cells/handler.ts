import type { Clock } from '../../src/clock.ts';
import type { EffectContext, Handler } from './cells.ts';
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
  // A copy, so that a handler that changes what it was given changes nobody else's view of the log.
  const inputs = structuredClone(context.inputs);
  const outputs = structuredClone(context.outputs);
  const called = (async () => handler({ ...context, inputs, outputs, signal: ending.told }))().then(
    (value) => ({ returned: true as const, value }),
    (error: unknown) => ({ returned: false as const, error }),
  );
  begun();
  const patience = patienceAfter(ending.forced, clock, limits.graceMs);
  const result = await Promise.race([called, patience.ended]);
  patience.cancel();
  if (result === undefined) {
    return { kind: 'unknown', reason: ending.cause, detail: { stillRunning: true } };
  }
  const toldToEnd = ending.told.aborted ? ending.cause : undefined;
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

function patienceAfter(
  signal: AbortSignal,
  clock: Clock,
  graceMs: number,
): { ended: Promise<undefined>; cancel(): void } {
  let cancel = (): void => undefined;
  const ended = new Promise<undefined>((resolve) => {
    const onAbort = (): void => {
      const timer = clock.after(graceMs, () => resolve(undefined));
      cancel = () => timer.cancel();
    };
    cancel = () => signal.removeEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  return { ended, cancel: () => cancel() };
}
