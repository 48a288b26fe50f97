import type { NamespaceSecret } from '../../coordinator/secrets.ts';
import type { Json, JsonObject } from '../../src/json.ts';
import { Random } from '../../tools/chaos/random.ts';
import type { Cluster } from './cluster.ts';
import { asObject, forgedReceipt, Forger, GARBAGE } from './forger.ts';
import type { Tapped } from './sim-bus.ts';
import { SimProcess } from './world.ts';

/** At most this many messages are kept to be sent again. */
const MAX_RECORDED = 400;
/** It says something this often, in milliseconds of the world. */
const EVERY_MS = { least: 150, most: 750 };
/** How often it answers a question of one replica to another. */
const ANSWERS = 0.4;

/** What makes an adversary of a negative control. */
export interface AdversaryOptions {
  /** The secret that it knows; default: none. */
  secret?: NamespaceSecret;
  /** When it falls silent, in milliseconds of the world; default: never. */
  untilMs?: number;
}

/** What an event said of an instance's newest row. */
interface Announced {
  replicaId: string;
  kind: string;
  cellId: string;
  attempt: number;
  requestId: string | undefined;
}

/** What the adversary can do, as it is counted. */
export const ADVERSARY_MOVES = [
  'replays a message',
  'sends a message elsewhere',
  'changes a message',
  'forges a leaving',
  'forges an answered',
  'forges a placed',
  'forges a settle',
  'forges a due',
  'forges a question',
  'forges an event',
  'sends garbage',
  'forges an answer',
  'relays an answer',
] as const;
type Move = (typeof ADVERSARY_MOVES)[number];
/** The moves that it makes unprovoked. */
const UNPROVOKED = ADVERSARY_MOVES.slice(0, -2);

/**
 * A party on the bus that is no replica. It reads every message, replies included, and says
 * whatever it likes under any name: what it has recorded, what it has changed, and what it has made
 * up, plain as replicas of older versions speak, or under the MAC of another message.
 *
 * It cannot read or write etcd and Postgres, and it knows no secret, unless a negative control
 * gives it one. It answers no agent: an agent's replies are for the server's permissions to
 * protect.
 */
export class Adversary {
  readonly #cluster: Cluster;
  readonly #process: SimProcess;
  readonly #random: Random;
  readonly #forger: Forger;
  readonly #untilMs: number;
  readonly #recorded: Tapped[] = [];
  readonly #answers: JsonObject[] = [];
  /** The newest row of each instance that was announced: whom to speak for, and about what. */
  readonly #newest = new Map<string, Announced>();
  #requests = 0;

  constructor(cluster: Cluster, seed: number, options: AdversaryOptions = {}) {
    this.#cluster = cluster;
    // A separate stream: what it draws changes no other choice.
    this.#random = new Random(seed ^ 0xadbad);
    this.#forger = new Forger(this.#random, options.secret);
    this.#untilMs = options.untilMs ?? Number.POSITIVE_INFINITY;
    this.#process = new SimProcess(cluster.world, 'adversary');
    cluster.nats.tap = (message) => this.#read(message);
    this.#soon();
  }

  #soon(): void {
    const { least, most } = EVERY_MS;
    this.#process.deliver(this.#random.between(least, most), () => {
      if (this.#over) return;
      this.#make(this.#random.pick(UNPROVOKED));
      this.#soon();
    });
  }

  get #over(): boolean {
    return this.#cluster.world.nowMs > this.#untilMs;
  }

  /** Reads one message, and may answer it before the one that it is for. */
  #read(message: Tapped): void {
    if (message.from === this.#process.name || this.#over) return;
    if (this.#recorded.push(message) > MAX_RECORDED) this.#recorded.shift();
    const body = asObject(message.body);
    if (message.isReply) {
      if (this.#answers.push(body) > MAX_RECORDED) this.#answers.shift();
      return;
    }
    this.#forger.read(body);
    if (message.subject.includes('.event.')) this.#learn(body);
    else if (message.answer !== undefined && this.#random.chance(ANSWERS)) this.#answer(message);
  }

  /** What an event says of an instance. An open attempt of a live holder is worth an attack. */
  #learn(event: JsonObject): void {
    const rows = event['rows'] as unknown as { [name: string]: unknown }[];
    for (const row of rows) {
      const newest: Announced = {
        replicaId: String(row['replica_id']),
        kind: String(row['kind']),
        cellId: String(row['cell_id']),
        attempt: Number(row['attempt']),
        requestId: typeof row['request_id'] === 'string' ? row['request_id'] : undefined,
      };
      this.#newest.set(String(row['instance_id']), newest);
      if (newest.kind === 'started' && this.#random.chance(0.5)) this.#leave(newest);
    }
  }

  /** Its holder is leaving, says the adversary, which then answers what the others ask. */
  #leave({ replicaId }: Announced): void {
    const soonMs = this.#random.between(1, 40);
    this.#process.deliver(soonMs, () => this.#make('forges a leaving', replicaId));
  }

  #answer({ subject, body, answer }: Tapped): void {
    const question = this.#forger.questionOf(subject, body);
    const ask = asObject(body)['ask'];
    const recorded = this.#random.chance(0.3) ? this.#someOf(this.#answers) : undefined;
    if (recorded !== undefined) {
      this.#count('relays an answer');
      // A genuine answer about another attempt, under this question's nonce.
      answer?.(recorded);
      return;
    }
    this.#count('forges an answer');
    const content =
      ask === 'runs'
        ? this.#random.pick<JsonObject>([{ runs: false, began: false }, { runs: false }])
        : ask === 'serve'
          ? { reply: this.#receipt() }
          : { replicaId: subject.split('.').at(-1) ?? '' };
    answer?.(this.#forger.answer(question, content));
  }

  #make(move: Move, by = this.#replica()): void {
    const { subjects } = this.#cluster;
    const instanceId = this.#instance();
    this.#count(move);
    switch (move) {
      case 'replays a message': {
        const message = this.#someOf(this.#recorded);
        if (message !== undefined && !message.isReply) this.#say(message.subject, message.body);
        return;
      }
      case 'sends a message elsewhere': {
        const message = this.#someOf(this.#recorded);
        if (message !== undefined) this.#ask(subjects.replica(this.#replica()), message.body);
        return;
      }
      case 'changes a message':
        this.#change();
        return;
      case 'forges a leaving': {
        const note = { note: 'leaving', busy: [] } as const;
        this.#say(subjects.leaving, { replicaId: by, busy: [], ...this.#forger.note(by, note) });
        return;
      }
      case 'forges an answered': {
        const keys = [`advance/${instanceId}/${this.#requestOf(instanceId)}`];
        const note = { note: 'answered', keys } as const;
        this.#say(subjects.answered, { keys, by, ...this.#forger.note(by, note) });
        return;
      }
      case 'forges a placed': {
        const placed = { instanceId, to: this.#replica(), forMs: 60_000, why: 'no file' };
        const note = { note: 'placed', ...placed } as const;
        this.#say(subjects.placed, { ...placed, by, ...this.#forger.note(by, note) });
        return;
      }
      case 'forges a settle':
        this.#say(subjects.settle(instanceId), {
          by,
          ...this.#forger.note(by, { note: 'settle', instanceId }),
        });
        return;
      case 'forges a due':
        this.#say(subjects.due, { by, ...this.#forger.note(by, { note: 'due' }) });
        return;
      case 'forges a question':
        this.#forgeQuestion(by);
        return;
      case 'forges an event': {
        const rows: Json[] = [];
        const receipt = this.#receipt(instanceId);
        this.#say(subjects.event(instanceId), { instanceId, rows, status: 'completed', receipt });
        return;
      }
      case 'sends garbage':
        this.#say(
          this.#random.pick([
            subjects.leaving,
            subjects.answered,
            subjects.placed,
            subjects.settle(instanceId),
            subjects.advance(instanceId),
            subjects.decide(instanceId),
            subjects.status(instanceId),
            subjects.replica(by),
          ]),
          this.#random.pick(GARBAGE),
        );
        return;
      case 'forges an answer':
      case 'relays an answer':
    }
  }

  /** Such as whether one runs an attempt: the answer is a promise never to begin it. */
  #forgeQuestion(from: string): void {
    const to = this.#replica();
    const instanceId = this.#instance();
    const newest = this.#newest.get(instanceId);
    const runs = {
      ask: 'runs',
      instanceId,
      cellId: newest?.cellId ?? 'held',
      attempt: (newest?.attempt ?? 0) + this.#random.int(newest?.kind === 'started' ? 0 : 1, 2),
      fencingToken: Number.MAX_SAFE_INTEGER,
    };
    const request = { requestId: this.#requestOf(instanceId), agentId: 'agent', wait: true };
    const serve = { ask: 'serve', verb: 'advance', instanceId, body: JSON.stringify(request) };
    const body = this.#random.pick<JsonObject>([runs, runs, serve, { ask: 'ping' }]);
    const subject = this.#cluster.subjects.replica(to);
    this.#ask(subject, this.#forger.question(from, subject, body));
  }

  /** A genuine message of a replica with one member changed, under its MAC. */
  #change(): void {
    const genuine = this.#recorded.filter(
      ({ body, isReply }) => !isReply && asObject(body)['mac'] !== undefined,
    );
    const message = this.#someOf(genuine);
    if (message === undefined) return;
    const body = asObject(message.body);
    const changes: JsonObject[] = [
      { count: this.#forger.nextCount(this.#forger.senderOf(body) ?? '') },
      'attempt' in body ? { attempt: Number(body['attempt']) + 1 } : { by: this.#replica() },
      'fencingToken' in body ? { fencingToken: Number.MAX_SAFE_INTEGER } : { busy: [] },
    ];
    this.#ask(message.subject, { ...body, ...this.#random.pick(changes) });
  }

  #receipt(instanceId = this.#instance()): JsonObject {
    return forgedReceipt(this.#requestOf(instanceId), instanceId);
  }

  #requestOf(instanceId: string): string {
    this.#requests += 1;
    return this.#newest.get(instanceId)?.requestId ?? `forged-${this.#requests}`;
  }

  #say(subject: string, body: Json): void {
    this.#cluster.nats.bus(this.#process).publish(subject, body);
  }

  #ask(subject: string, body: Json): void {
    void this.#cluster.nats.bus(this.#process).request(subject, body, 1_000);
  }

  #replica(): string {
    const { replicas } = this.#cluster;
    return replicas.length === 0 ? 'r1-00000001' : this.#random.pick(replicas).replicaId;
  }

  #instance(): string {
    return this.#random.pick([...this.#cluster.postgres.instances.keys()]);
  }

  #someOf<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : this.#random.pick(items);
  }

  #count(move: Move): void {
    this.#cluster.coverage.reach(`adversary ${move}`);
  }
}
