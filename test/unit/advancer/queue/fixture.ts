import { EnqueuedOperations } from '../../../../advancer/queue/enqueued-operations.ts';
import { ServingErrors } from '../../../../advancer/queue/serving-errors.ts';
import type { StoredSettlerOptions } from '../../../../advancer/queue/settle-stored.ts';
import type { Operation } from '../../../../advancer/intake/pending-request.ts';
import type { Refused, RequestState, UnheldReceipt } from '../../../../advancer/log/requests.ts';
import { RecentReceipts } from '../../../../advancer/run/recent-receipts.ts';
import type {
  Backlog,
  RequestStream,
  StoredMessage,
  StreamState,
} from '../../../../src/bus/request-stream.ts';
import type { Receipt } from '../../../../src/request/receipt.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

const READY: StreamState = { kind: 'ready', problems: [] };

/** What was done with a delivered message, in order. */
export type Answer = 'ack' | 'working' | `retry in ${number}`;

/** A delivered message that notes what is done with it. */
export function delivered(
  over: Partial<Omit<StoredMessage, 'data'>> & { body?: unknown; answers?: Answer[] } = {},
): StoredMessage & { answers: Answer[] } {
  const { body = { requestId: 'q', agentId: 'ann' }, answers = [], ...more } = over;
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return {
    subject: 'leasehold.test.enqueue.i',
    account: { kind: 'none' },
    seq: 1,
    deliveries: 1,
    storedAtMs: 0,
    ...more,
    data: new TextEncoder().encode(text),
    answers,
    ack: () => void answers.push('ack'),
    retryIn: (delayMs) => void answers.push(`retry in ${delayMs}`),
    working: () => void answers.push('working'),
  };
}

export function receiptOf(requestId: string, over: Partial<Receipt> = {}): Receipt {
  return {
    requestId,
    instanceId: 'i',
    outcome: 'completed',
    steps: [],
    nextCellId: null,
    holder: null,
    ...over,
  };
}

/** Everything that a settler needs, controlled by the test. */
export class SettlerWorld {
  readonly clock = new HandClock();
  readonly receipts = new RecentReceipts();
  readonly errors = new ServingErrors();
  readonly counted: string[] = [];
  /** What was given to the router: its key, and whether it was late. */
  readonly taken: string[] = [];
  readonly refusals: UnheldReceipt[] = [];
  /** What the log has. */
  readonly recorded = new Map<string, Receipt>();
  readonly instances = new Set(['i']);
  logTroubles = 0;
  /** What reading the log throws. */
  broken: Error | undefined;
  refused: () => Refused = () => 'recorded';
  /** What the router does with a request. */
  serve: (operation: Operation) => Promise<void> = () => Promise.resolve();

  get options(): StoredSettlerOptions {
    const count = (event: { what: string }): void => void this.counted.push(event.what);
    return {
      router: {
        takeStored: (operation, late) => {
          this.taken.push(`${operation.key}${late ? ' late' : ''}`);
          return this.serve(operation);
        },
      },
      requests: {
        state: ({ requestId, instanceId }): Promise<RequestState> =>
          this.broken === undefined
            ? Promise.resolve({
                receipt: this.recorded.get(requestId),
                hasInstance: this.instances.has(instanceId),
              })
            : Promise.reject(this.broken),
        refuse: (refusal) => {
          this.refusals.push(refusal);
          return Promise.resolve(this.refused());
        },
      },
      receipts: this.receipts,
      operations: new EnqueuedOperations(this.errors, count),
      errors: this.errors,
      agentIds: 'claimed',
      clock: this.clock,
      count,
      logTrouble: () => void (this.logTroubles += 1),
    };
  }
}

/** A stream in memory, whose messages are delivered as the test's clock says. */
export class FakeStream implements RequestStream {
  readonly #clock: HandClock;
  readonly messages: (StoredMessage & { answers: Answer[]; dueMs: number })[] = [];
  readonly poisoned: { seq: number; reason: string }[] = [];
  state: StreamState = READY;
  /** Why nothing can be kept as poison. */
  poisonTrouble: string | undefined;
  reachable = true;
  prepared = 0;
  pulls: number[] = [];
  #seq = 0;
  #closed = false;

  constructor(clock: HandClock) {
    this.#clock = clock;
  }

  /** Stores a message; it is delivered to the next pull. */
  put(over: Parameters<typeof delivered>[0] = {}): { answers: Answer[] } {
    this.#seq += 1;
    const message = delivered({ storedAtMs: this.#clock.wallMs(), seq: this.#seq, ...over });
    this.messages.push({ ...message, dueMs: this.#clock.monotonicMs() });
    return message;
  }

  prepare(): Promise<StreamState> {
    this.prepared += 1;
    return Promise.resolve(this.state);
  }

  async pull(
    max: number,
    waitMs: number,
    receive: (message: StoredMessage) => void,
  ): Promise<boolean> {
    this.pulls.push(max);
    if (!this.reachable) return false;
    const untilMs = this.#clock.monotonicMs() + waitMs;
    for (let left = max; left > 0 && !this.#closed && this.#clock.monotonicMs() < untilMs;) {
      const at = this.messages.findIndex(({ dueMs }) => dueMs <= this.#clock.monotonicMs());
      const [message] = at === -1 ? [] : this.messages.splice(at, 1);
      if (message === undefined) {
        await this.#clock.sleep(100);
        continue;
      }
      left -= 1;
      receive(this.#redelivering(message));
    }
    return true;
  }

  /** It comes again when the replica says so. */
  #redelivering(message: StoredMessage & { answers: Answer[] }): StoredMessage {
    return {
      ...message,
      retryIn: (delayMs) => {
        message.retryIn(delayMs);
        const dueMs = this.#clock.monotonicMs() + delayMs;
        this.messages.push({ ...message, deliveries: message.deliveries + 1, dueMs });
      },
    };
  }

  poison({ seq }: StoredMessage, reason: string): Promise<string | undefined> {
    if (this.poisonTrouble === undefined) this.poisoned.push({ seq, reason });
    return Promise.resolve(this.poisonTrouble);
  }

  backlog(): Promise<Backlog | undefined> {
    const waiting = this.messages.length;
    return Promise.resolve({ waiting, oldestAtMs: undefined, poison: this.poisoned.length });
  }

  close(): void {
    this.#closed = true;
  }
}
