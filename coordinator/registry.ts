import { replicaKey, replicaValue } from './keys.ts';
import type { ReplicaRecord } from './leases.ts';
import type { Session } from './session.ts';
import type { LeaseStore } from './store.ts';

/**
 * Says to everybody, by a key on the session, that this process lives; and asks the same of others.
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

  /** This process as it registers itself. */
  self(): ReplicaRecord {
    return this.#self();
  }

  /** The key of this process. */
  get key(): string {
    return replicaKey(this.#namespace, this.#self().replicaId);
  }

  /** Puts this process's key on a session. Throws as the store does. */
  async register(session: Session): Promise<void> {
    await this.#store.put(session.leaseId, this.key, this.#value());
  }

  /** Says that this process takes up nothing new, though it lives. */
  async registerDraining(session: Session): Promise<void> {
    this.#draining = true;
    await this.register(session);
  }

  /**
   * Whether a process's key is absent, by a transaction that puts one's own again. Throws as the
   * store does.
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
