import { errorText } from '../src/error-text.ts';
import type { Logger } from '../src/logger.ts';
import type { Clock } from '../src/time/clock.ts';
import { secretsKey } from './keys.ts';
import { newSecret, readSecrets, secretsValue, type NamespaceSecret } from './secrets.ts';
import type { Session } from './session.ts';
import { LeaseGone, type Entry, type LeaseStore } from './store.ts';

/** How long to wait before the secrets, or what the record says of them, are written again. */
const RETRY_MS = 1_000;

/** What a {@link Keyring} needs. */
export interface KeyringOptions {
  store: Pick<LeaseStore, 'read' | 'replace'>;
  clock: Clock;
  namespace: string;
  logger?: Logger | undefined;
  /** Writes this process's record, which says which secrets it has. Throws as the store does. */
  register: (session: Session) => Promise<void>;
  /** The session under which this process is registered; undefined while it is not. */
  registered: () => Session | undefined;
  /** What else of the record may change while this process is registered. */
  alsoAnnounces: () => string;
}

/**
 * The namespace's secrets, as this process last saw them in etcd. The first process creates one;
 * every process reads them before it registers, and follows them from then on.
 *
 * If the key goes away (someone deleted it, or etcd was restored from a backup), this process has
 * no secret, so it opens no message, until it or another one has created the next.
 */
export class Keyring {
  readonly #options: KeyringOptions;
  readonly #key: string;
  #secrets: readonly NamespaceSecret[] = [];
  /** How often etcd has been heard; tells whether an answer is the newest word. */
  #heard = 0;
  /** What this process's record has. */
  #announced = '';
  #announcing = false;

  constructor(options: KeyringOptions) {
    this.#options = options;
    this.#key = secretsKey(options.namespace);
  }

  /** Oldest first; empty until they have been read. */
  get secrets(): readonly NamespaceSecret[] {
    return this.#secrets;
  }

  /** Their ids, oldest first. */
  get ids(): string[] {
    return this.#secrets.map(({ id }) => id);
  }

  /**
   * Reads the secrets, and creates the first one if there is none. Returns why they cannot be used,
   * if so. Throws as the store does.
   */
  async ensure(): Promise<string | undefined> {
    const { store, logger } = this.#options;
    for (;;) {
      const heard = this.#heard;
      const { entries } = await store.read([this.#key]);
      // The watch has reported something meanwhile, which may be newer.
      if (heard !== this.#heard) continue;
      const [entry] = entries;
      if (entry !== undefined) return this.#take(entry);
      // Of several processes that find none, one creates it. All of them read what is there then.
      const created = await store.replace(this.#key, secretsValue([newSecret()]), 0);
      if (created) logger?.info({ key: this.#key }, "created the namespace's secret");
    }
  }

  /** The watch reported the key; undefined: there is none. */
  saw(entry: Entry | undefined): void {
    this.#heard += 1;
    if (entry === undefined) {
      if (this.#secrets.length > 0)
        this.#options.logger?.warn({ key: this.#key }, "the namespace's secret is gone from etcd");
      this.#secrets = [];
    } else {
      const problem = this.#take(entry);
      // What it has stays in use: the others cannot read the new value either.
      if (problem !== undefined) this.#options.logger?.error({ key: this.#key }, problem);
    }
    this.follow();
  }

  /** Registers this process; its record says which secrets it has. Throws as the store does. */
  async register(session: Session): Promise<void> {
    const announces = this.#announces();
    await this.#options.register(session);
    this.#announced = announces;
  }

  /** If something is gone or has changed since this process registered: makes up for it. */
  follow(): void {
    if (!this.#announcing && this.#lags()) {
      this.#announcing = true;
      void this.#announce().finally(() => (this.#announcing = false));
    }
  }

  #lags(): boolean {
    if (this.#options.registered() === undefined) return false;
    return this.#secrets.length === 0 || this.#announced !== this.#announces();
  }

  #announces(): string {
    return `${this.ids.join()} ${this.#options.alsoAnnounces()}`;
  }

  async #announce(): Promise<void> {
    const { clock, logger, registered } = this.#options;
    for (;;) {
      const session = registered();
      if (session === undefined || !this.#lags()) return;
      try {
        if (this.#secrets.length === 0) await this.ensure();
        await this.register(session);
        continue;
      } catch (error) {
        if (error instanceof LeaseGone) session.lose('etcd says that the session is gone');
        logger?.warn({ why: errorText(error) }, 'cannot register what has changed yet');
      }
      await clock.sleep(RETRY_MS);
    }
  }

  #take(entry: Entry): string | undefined {
    const read = readSecrets(entry.value);
    if (!read.ok)
      return `the value of ${this.#key} in etcd cannot be used: ${read.why}. Delete the key: the replicas create a new secret`;
    const before = this.ids.join();
    this.#secrets = read.secrets;
    const ids = this.ids.join();
    if (before !== ids)
      this.#options.logger?.info({ ids: this.ids }, "read the namespace's secrets");
    return undefined;
  }
}
