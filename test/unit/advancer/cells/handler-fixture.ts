import type { Handler, HandlerCall } from '../../../../src/runbook/handler.ts';
import { run } from './fixture.ts';

/** Runs a handler under the name `h`. */
export function runHandler(handler: Handler, fields: object = {}): ReturnType<typeof run> {
  return run({ exec: { handler: 'h' }, ...fields }, { handlers: { h: handler } });
}

/** A handler that never ends by itself, and the moment at which it was called. */
export function endless(
  onAbort?: (
    call: HandlerCall,
    settle: { resolve: (v: string) => void; reject: (e: Error) => void },
  ) => void,
): {
  handler: Handler;
  called: Promise<void>;
} {
  let announce = (): void => undefined;
  const called = new Promise<void>((resolve) => (announce = resolve));
  const handler: Handler = (call) =>
    new Promise<string>((resolve, reject) => {
      call.signal.addEventListener('abort', () => onAbort?.(call, { resolve, reject }));
      announce();
    });
  return { handler, called };
}
