import type { Bus, BusMessage, BusReply } from '../../src/bus/bus.ts';
import type { Json } from '../../src/json.ts';
import type { Network } from './network.ts';
import type { SimProcess, World } from './world.ts';

interface Subscriber {
  process: SimProcess;
  subject: string;
  queue: string | undefined;
  handler: (message: BusMessage) => void | Promise<void>;
}

/** A NATS server in memory: subjects, queue groups, replies, and the no-responders hint. */
export class SimNats {
  readonly #world: World;
  readonly #network: Network;
  readonly #subscribers = new Set<Subscriber>();

  constructor(world: World, network: Network) {
    this.#world = world;
    this.#network = network;
  }

  /** The bus as one process sees it. */
  bus(process: SimProcess): Bus {
    const connected = (): boolean => this.#network.open(process, 'nats');
    return {
      publish: (subject, body) => this.#send(process, subject, body, undefined),
      request: (subject, body, timeoutMs) => this.#request(process, subject, body, timeoutMs),
      subscribe: (subject, handler, options) => {
        const subscriber: Subscriber = { process, subject, queue: options?.queue, handler };
        this.#subscribers.add(subscriber);
        return { unsubscribe: () => void this.#subscribers.delete(subscriber) };
      },
      connected,
      onConnection: () => undefined,
      flush: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
  }

  #request(process: SimProcess, subject: string, body: Json, timeoutMs: number): Promise<BusReply> {
    return new Promise((resolve) => {
      if (!this.#network.open(process, 'nats')) {
        resolve({ kind: 'disconnected' });
        return;
      }
      const deadline = process.deliver(timeoutMs, () => resolve({ kind: 'timeout' }));
      const reply = (answer: BusReply): void => {
        process.deliver(this.#network.latencyMs(), () => {
          deadline.cancel();
          resolve(answer);
        });
      };
      const sent = this.#send(process, subject, body, (answer, from) => {
        if (this.#lost() || !this.#network.open(from, 'nats') || !this.#network.open(process, 'nats')) return;
        reply({ kind: 'reply', body: answer });
      });
      if (!sent) reply({ kind: 'no_responders' });
    });
  }

  /** Whether anybody was listening. */
  #send(
    from: SimProcess,
    subject: string,
    body: Json,
    reply: ((body: Json, from: SimProcess) => void) | undefined,
  ): boolean {
    if (from.state === 'dead' || !this.#network.open(from, 'nats')) return true;
    const listening = [...this.#subscribers].filter(
      ({ process, subject: pattern }) =>
        process.state !== 'dead' && this.#network.open(process, 'nats') && matches(pattern, subject),
    );
    const queues = new Map<string, Subscriber[]>();
    const each = listening.filter((subscriber) => {
      if (subscriber.queue === undefined) return true;
      queues.set(subscriber.queue, [...(queues.get(subscriber.queue) ?? []), subscriber]);
      return false;
    });
    const chosen = [...each, ...[...queues.values()].map((group) => this.#world.random.pick(group))];
    const data = new TextEncoder().encode(JSON.stringify(body));
    for (const { process, handler } of chosen) {
      const copies = this.#lost()
        ? 0
        : this.#world.random.chance(this.#network.weather.doubledMessage)
          ? 2
          : 1;
      for (let copy = 0; copy < copies; copy += 1) {
        process.deliver(this.#network.latencyMs(), () => {
          void handler({
            subject,
            data,
            wantsReply: reply !== undefined,
            reply: (answer) => reply?.(answer, process),
          });
        });
      }
    }
    return listening.length > 0;
  }

  #lost(): boolean {
    return this.#world.random.chance(this.#network.weather.lostMessage);
  }
}

function matches(pattern: string, subject: string): boolean {
  return pattern.endsWith('.>') ? subject.startsWith(pattern.slice(0, -1)) : pattern === subject;
}
