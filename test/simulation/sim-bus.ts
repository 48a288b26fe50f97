import type { Bus, BusMessage, BusReply } from '../../src/bus/bus.ts';
import type { Json } from '../../src/json.ts';
import type { Network, Sprung } from './network.ts';
import type { SimProcess, World } from './world.ts';

interface Subscriber {
  process: SimProcess;
  subject: string;
  queue: string | undefined;
  handler: (message: BusMessage) => void | Promise<void>;
}

interface SimRequest {
  subject: string;
  body: Json;
  timeoutMs: number;
  accepts: ((body: Json) => boolean) | undefined;
}

/** One message as a party that reads everything sees it. */
export interface Tapped {
  from: string;
  subject: string;
  body: Json;
  /** Whether it is the reply to a request, whose subject it has. */
  isReply: boolean;
  /** Replies to it, before anybody else may have; only to requests of replicas. */
  answer?: (body: Json) => void;
}

/** A NATS server in memory: subjects, queue groups, replies, and the no-responders hint. */
export class SimNats {
  readonly #world: World;
  readonly #network: Network;
  readonly #subscribers = new Set<Subscriber>();
  /** Reads every message and every reply. */
  tap: (message: Tapped) => void = () => undefined;

  constructor(world: World, network: Network) {
    this.#world = world;
    this.#network = network;
  }

  /** The bus as one process sees it. */
  bus(process: SimProcess): Bus {
    const connected = (): boolean => this.#network.open(process, 'nats');
    return {
      publish: (subject, body) => this.#publish(process, subject, body),
      request: (subject, body, timeoutMs, accepts) =>
        this.#request(process, { subject, body, timeoutMs, accepts }),
      // No stream captures anything here: as on a server without JetStream.
      store: () => Promise.resolve({ kind: 'no_responders' }),
      subscribe: (subject, handler, options) => {
        const subscriber: Subscriber = { process, subject, queue: options?.queue, handler };
        this.#subscribers.add(subscriber);
        return { unsubscribe: () => void this.#subscribers.delete(subscriber) };
      },
      connected,
      maxBytes: () => 1024 * 1024,
      flush: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
  }

  /** Nobody answers a publication, so all that can be lost of it is itself. */
  #publish(process: SimProcess, subject: string, body: Json): boolean {
    const trap = this.#trapFor(process, 'publish');
    // Whatever runs in the process now runs on to its next wait; then it is caught.
    if (trap !== undefined) this.#world.at(0, trap.spring);
    if (trap?.point === 'before' || trap?.act === 'lose') return true;
    this.tap({ from: process.name, subject, body, isReply: false });
    return this.#send(process, subject, body, undefined);
  }

  #request(process: SimProcess, request: SimRequest): Promise<BusReply> {
    const { subject, body, timeoutMs, accepts } = request;
    return new Promise((resolve) => {
      if (!this.#network.open(process, 'nats')) {
        resolve({ kind: 'disconnected' });
        return;
      }
      const trap = this.#trapFor(process, 'request');
      const deadline = process.deliver(timeoutMs, () => resolve({ kind: 'timeout' }));
      if (trap !== undefined && trap.point !== 'answered') this.#world.at(0, trap.spring);
      if (trap?.point === 'before') return;
      const reply = (answer: BusReply): void => {
        if (trap?.act === 'lose') return;
        process.deliver(this.#network.latencyMs(), () => {
          if (answer.kind === 'reply' && accepts?.(answer.body) === false) return;
          deadline.cancel();
          resolve(answer);
          if (trap?.point === 'answered') trap.spring();
        });
      };
      this.tap({
        from: process.name,
        subject,
        body,
        isReply: false,
        ...(isReplica(process)
          ? {
              answer: (forged: Json) => {
                if (this.#network.open(process, 'nats')) reply({ kind: 'reply', body: forged });
              },
            }
          : {}),
      });
      const sent = this.#send(process, subject, body, (answer, from) => {
        if (
          this.#lost() ||
          !this.#network.open(from, 'nats') ||
          !this.#network.open(process, 'nats')
        )
          return;
        this.tap({ from: from.name, subject, body: answer, isReply: true });
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
        process.state !== 'dead' &&
        this.#network.open(process, 'nats') &&
        matches(pattern, subject),
    );
    const queues = new Map<string, Subscriber[]>();
    const each = listening.filter((subscriber) => {
      if (subscriber.queue === undefined) return true;
      queues.set(subscriber.queue, [...(queues.get(subscriber.queue) ?? []), subscriber]);
      return false;
    });
    const chosen = [
      ...each,
      ...[...queues.values()].map((group) => this.#world.random.pick(group)),
    ];
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
            account: { kind: 'none' },
            reply: (answer) => {
              if (reply !== undefined) this.#reply(process, () => reply(answer, process));
            },
          });
        });
      }
    }
    return listening.length > 0;
  }

  #reply(process: SimProcess, send: () => void): void {
    const trap = this.#trapFor(process, 'reply');
    if (trap !== undefined) this.#world.at(0, trap.spring);
    if (trap?.point !== 'before' && trap?.act !== 'lose') send();
  }

  /** Only replicas are struck. */
  #trapFor(process: SimProcess, call: string): Sprung | undefined {
    return isReplica(process) ? this.#network.sprungAt(process, 'nats', call) : undefined;
  }

  #lost(): boolean {
    return this.#world.random.chance(this.#network.weather.lostMessage);
  }
}

function isReplica({ name }: SimProcess): boolean {
  return /^r\d+-/.test(name);
}

function matches(pattern: string, subject: string): boolean {
  return /\.[>*]$/.test(pattern) ? subject.startsWith(pattern.slice(0, -1)) : pattern === subject;
}
