import type { RawMessage } from './raw-nats.ts';

/** A question from one replica to another, as it was overheard. */
export interface OverheardQuestion {
  replicaId: string;
  body: Buffer;
  reply: string;
}

/** An attempt that an event said was started. */
export interface OverheardAttempt {
  instanceId: string;
  cellId: string;
  attempt: number;
  fencingToken: number;
  replicaId: string;
}

/** A request of an agent, as it was overheard. */
export interface OverheardRequest {
  instanceId: string;
  requestId: string;
  reply: string | undefined;
}

/** How many of each kind are remembered; the newest push out the oldest. */
const KEPT = 256;

/**
 * What a hostile client has overheard on the bus: whom there is to imitate, and genuine messages to
 * send again.
 */
export class Hearsay {
  readonly replicas = new Recent<string>();
  readonly instances = new Recent<string>();
  readonly attempts = new Recent<OverheardAttempt>();
  readonly requests = new Recent<OverheardRequest>();
  readonly questions = new Recent<OverheardQuestion>();
  /** What replicas tell each other, and their answers. */
  readonly statements = new Recent<RawMessage>();
  /** Answers among the statements, which arrive on inboxes. */
  readonly answers = new Recent<RawMessage>();
  readonly #root: string;

  constructor(namespace: string) {
    this.#root = `leasehold.${namespace}.`;
  }

  /** Takes in a message; returns it as a question if it is one from replica to replica. */
  hear(message: RawMessage): OverheardQuestion | undefined {
    const { subject, reply, data } = message;
    if (!subject.startsWith(this.#root)) {
      this.answers.add(message);
      return undefined;
    }
    const [verb = '', id = '', ...rest] = subject.slice(this.#root.length).split('.');
    switch (verb) {
      case 'replica': {
        if (rest.length > 0) return undefined;
        this.replicas.addNew(id);
        if (reply === undefined) return undefined;
        const question = { replicaId: id, body: Buffer.from(data), reply };
        this.questions.add(question);
        return question;
      }
      case 'advance': {
        const requestId = readJson(data)?.['requestId'];
        if (typeof requestId === 'string') this.requests.add({ instanceId: id, requestId, reply });
        this.instances.addNew(id);
        return undefined;
      }
      case 'event':
        this.#hearEvent(id, data);
        return undefined;
      case 'answered':
      case 'leaving':
      case 'placed':
      case 'settle':
      case 'due':
        this.statements.add({ subject, reply, data: Buffer.from(data) });
        return undefined;
      default:
        return undefined;
    }
  }

  #hearEvent(instanceId: string, data: Buffer): void {
    const rows = readJson(data)?.['rows'];
    if (!Array.isArray(rows)) return;
    for (const row of rows as Record<string, unknown>[]) {
      const { kind, cell_id, attempt, fencing_token, replica_id } = row;
      if (typeof replica_id === 'string') this.replicas.addNew(replica_id);
      if (kind !== 'started') continue;
      this.attempts.add({
        instanceId,
        cellId: String(cell_id),
        attempt: Number(attempt),
        fencingToken: Number(fencing_token),
        replicaId: String(replica_id),
      });
    }
  }
}

/** A short memory: the newest push out the oldest. */
export class Recent<T> {
  readonly #items: T[] = [];
  #next = 0;

  add(item: T): void {
    this.#items[this.#next] = item;
    this.#next = (this.#next + 1) % KEPT;
  }

  /** Adds an item unless it is remembered. */
  addNew(item: T): void {
    if (!this.#items.includes(item)) this.add(item);
  }

  get all(): readonly T[] {
    return this.#items;
  }
}

function readJson(data: Buffer): Record<string, unknown> | undefined {
  try {
    const read: unknown = JSON.parse(data.toString());
    return typeof read === 'object' && read !== null
      ? (read as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
