import type { InstanceEvent } from '../request/status-reply.ts';

/** Events that nobody has taken yet are kept up to this number; then the oldest are given up. */
const MAX_WAITING = 10_000;

/**
 * Turns a stream of calls into one to iterate over; ends when `signal` aborts or the consumer
 * leaves.
 */
export function eventQueue(
  subscribe: (listener: (event: InstanceEvent) => void) => () => void,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<InstanceEvent> {
  const waiting: InstanceEvent[] = [];
  const takers: ((result: IteratorResult<InstanceEvent>) => void)[] = [];
  let ended = false;
  const unsubscribe = subscribe((event) => {
    const taker = takers.shift();
    if (taker !== undefined) taker({ done: false, value: event });
    else if (waiting.push(event) > MAX_WAITING) waiting.shift();
  });
  const end = (): void => {
    if (ended) return;
    ended = true;
    signal?.removeEventListener('abort', end);
    unsubscribe();
    for (const taker of takers.splice(0)) taker({ done: true, value: undefined });
  };
  signal?.addEventListener('abort', end, { once: true });
  if (signal?.aborted === true) end();
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      const event = waiting.shift();
      if (event !== undefined) return Promise.resolve({ done: false, value: event });
      if (ended) return Promise.resolve({ done: true, value: undefined });
      return new Promise((resolve) => takers.push(resolve));
    },
    return() {
      end();
      waiting.length = 0;
      return Promise.resolve({ done: true, value: undefined });
    },
  };
}
