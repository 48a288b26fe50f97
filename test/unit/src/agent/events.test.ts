import { describe, expect, it } from 'vitest';

import { eventQueue } from '../../../../src/agent/events.ts';
import type { InstanceEvent } from '../../../../src/request/status-reply.ts';

const event = (instanceId: string): InstanceEvent => ({ instanceId, rows: [], status: 'ready' });

function source() {
  const listeners = new Set<(event: InstanceEvent) => void>();
  return {
    listeners,
    emit: (one: InstanceEvent) => listeners.forEach((listener) => listener(one)),
    subscribe: (listener: (event: InstanceEvent) => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

describe('a queue of events', () => {
  it('keeps the order, whether events or calls to next come first', async () => {
    const { emit, subscribe } = source();
    const events = eventQueue(subscribe, undefined);
    emit(event('a'));
    emit(event('b'));
    const third = [events.next(), events.next(), events.next()];
    emit(event('c'));
    const seen = (await Promise.all(third)).map(({ value }) => (value as InstanceEvent).instanceId);
    expect(seen).toEqual(['a', 'b', 'c']);
  });

  it('ends its subscription when the consumer leaves the loop', async () => {
    const { emit, subscribe, listeners } = source();
    const events = eventQueue(subscribe, undefined);
    emit(event('a'));
    for await (const one of events) {
      expect(one.instanceId).toBe('a');
      break;
    }
    expect(listeners.size).toBe(0);
  });

  it('delivers what arrived before the signal aborted, then ends', async () => {
    const stop = new AbortController();
    const { emit, subscribe, listeners } = source();
    const events = eventQueue(subscribe, stop.signal);
    emit(event('a'));
    stop.abort();
    expect(listeners.size).toBe(0);
    expect((await events.next()).value).toEqual(event('a'));
    expect((await events.next()).done).toBe(true);
  });

  it('drops the oldest events of a consumer that is too slow', async () => {
    const { emit, subscribe } = source();
    const events = eventQueue(subscribe, undefined);
    for (let i = 0; i < 10_002; i++) emit(event(`e-${i}`));
    expect((await events.next()).value).toEqual(event('e-2'));
  });
});
