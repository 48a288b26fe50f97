import { replicaKey, replicaValue } from './keys.ts';
import type { ReplicaRecord } from './leases.ts';
import type { Session } from './session.ts';
import type { LeaseStore } from './store.ts';

/**
 * Registers this process as alive, by a key attached to its session, and looks up whether others
 * are.
 */
export class Registry {
  readonly #store: LeaseStore;
  readonly #namespace: string;
  readonly #self: () => ReplicaRecord;
  #draining = false;

  constructor(store: LeaseStore, namespace: string, self: () => ReplicaRecord) {
    this.#store = store;
    this.#namespace = namespace;
    this.#self = self;
  }

  /** This process's record. */
  self(): ReplicaRecord {
    return this.#self();
  }

  /** The key of this process. */
  get key(): string {
    return replicaKey(this.#namespace, this.#self().replicaId);
  }

  /** Puts this process's key, attached to the session. Throws as the store does. */
  async register(session: Session): Promise<void> {
    await this.#store.put(session.leaseId, this.key, this.#value());
  }

  /** Registers that this process is alive but takes on nothing new. */
  async registerDraining(session: Session): Promise<void> {
    this.#draining = true;
    await this.register(session);
  }

  /**
   * Whether a process's key is absent, by a transaction that puts this process's key again. Throws
   * as the store does.
   */
  isGone(session: Session, replicaId: string): Promise<boolean> {
    return this.#store.confirmAbsent(replicaKey(this.#namespace, replicaId), {
      key: this.key,
      value: this.#value(),
      leaseId: session.leaseId,
    });
  }

  #value(): string {
    return replicaValue(this.#self(), this.#draining);
  }
}
