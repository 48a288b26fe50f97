import type { Bus } from '../bus/bus.ts';
import { subjectRest, type Subjects } from '../bus/subjects.ts';
import { inexactText, parseJsonText } from '../json-text.ts';
import type { InstanceEvent } from '../request/status-reply.ts';
import { checkId } from './checked.ts';
import { readReply } from './replies.ts';

/** Up to this many events are queued for the consumer; beyond that, the oldest are dropped. */
const MAX_QUEUED = 10_000;

/** Turns callbacks into an iterator that ends when `signal` aborts or the consumer stops. */
export function eventQueue(
  subscribe: (listener: (event: InstanceEvent) => void) => () => void,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<InstanceEvent> {
  const queued: InstanceEvent[] = [];
  const takers: ((result: IteratorResult<InstanceEvent>) => void)[] = [];
  let ended = false;
  const unsubscribe = subscribe((event) => {
    const taker = takers.shift();
    if (taker !== undefined) taker({ done: false, value: event });
    else if (queued.push(event) > MAX_QUEUED) queued.shift();
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
      const event = queued.shift();
      if (event !== undefined) return Promise.resolve({ done: false, value: event });
      if (ended) return Promise.resolve({ done: true, value: undefined });
      return new Promise((resolve) => takers.push(resolve));
    },
    return() {
      end();
      queued.length = 0;
      return Promise.resolve({ done: true, value: undefined });
    },
  };
}

/** The events of one instance, or of all. @throws LeaseholdError `invalid` for a malformed id */
export function eventSubject(subjects: Subjects, instanceId: string | undefined): string {
  return instanceId === undefined
    ? subjects.all('event')
    : subjects.event(checkId(instanceId, 'instanceId'));
}

/** Calls back with each readable event, until the returned function is called. */
export function listenToEvents(options: {
  bus: Pick<Bus, 'subscribe'>;
  subjects: Subjects;
  instanceId: string | undefined;
  listener: (event: InstanceEvent) => void;
  warn: (message: string) => void;
  signal?: AbortSignal | undefined;
}): () => void {
  const { bus, listener, warn, signal } = options;
  const subject = eventSubject(options.subjects, options.instanceId);
  const subscription = bus.subscribe(subject, (message) => {
    const read = readEvent(message.data, subjectRest(message.subject));
    if (read.kind === 'result') listener(read.value);
    else warn(`ignored an event on ${message.subject}: ${read.why}`);
  });
  const stop = (): void => {
    signal?.removeEventListener('abort', stop);
    subscription.unsubscribe();
  };
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted === true) stop();
  return stop;
}

const fromUtf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads an event that anybody may have published. It must be about the instance that its subject
 * names: a server can say who may publish on a subject, but not what.
 */
export function readEvent(
  data: Uint8Array,
  instanceId: string,
): { kind: 'result'; value: InstanceEvent } | { kind: 'malformed'; why: string } {
  try {
    const { value, inexact } = parseJsonText(fromUtf8.decode(data));
    if (inexact[0] !== undefined) return { kind: 'malformed', why: inexactText(inexact[0]) };
    const read = readReply('event', value);
    if (read.kind === 'error') return { kind: 'malformed', why: 'it is an error' };
    const isForeign =
      read.kind === 'result' &&
      (read.value.instanceId !== instanceId ||
        read.value.rows.some((row) => row.instance_id !== instanceId));
    return isForeign ? { kind: 'malformed', why: 'it is about another instance' } : read;
  } catch (cause) {
    return { kind: 'malformed', why: `it is not JSON (${String(cause)})` };
  }
}
