import { TransientMap } from '../src/transient-map.ts';
import type { Clock } from '../src/time/clock.ts';
import { errorText } from '../src/error-text.ts';
import type { Logger } from '../src/logger.ts';
import { TroubleLog } from '../src/trouble-log.ts';
import { leaseRecord, namespacePrefix, parseKey, replicaRecord, secretsKey } from './keys.ts';
import type { LeaseRecord, ReplicaRecord } from './leases.ts';
import type { Entry, KeyEvent, LeaseStore } from './store.ts';

/** How long to wait before listing again after the watch broke, in milliseconds. */
const RELIST_MS = 250;
/** A watch that lives this long after its listing works, in milliseconds. */
const STEADY_MS = 2_000;

/** How to make a {@link Directory}. */
export interface DirectoryOptions {
  store: LeaseStore;
  clock: Clock;
  namespace: string;
  /** Called for every lease key that appears or changes, with the etcd lease it is attached to. */
  onLease?: ((lease: LeaseRecord, leaseId: string | undefined) => void) | undefined;
  /** Called with the namespace's secrets when they are listed or change; undefined: none. */
  onSecrets?: ((entry: Entry | undefined) => void) | undefined;
  /** Where it says that the watch broke; the directory re-lists by itself. */
  logger?: Logger | undefined;
}

/**
 * Which replica holds what, and which replicas are alive, as last seen: a hint, never the truth. It
 * lists, watches from the revision of the listing, and re-lists whenever the watch breaks.
 */
export class Directory {
  readonly #options: DirectoryOptions;
  readonly #trouble: TroubleLog;
  readonly #secretsKey: string;
  readonly #leases = new TransientMap<string, LeaseRecord>();
  readonly #replicas = new Map<string, { replica: ReplicaRecord; draining: boolean }>();
  readonly #listeners = new Set<(instanceId: string) => void>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #again: (() => void) | undefined;
  #registered: readonly ReplicaRecord[] | undefined;
  #candidates: readonly ReplicaRecord[] | undefined;

  constructor(options: DirectoryOptions) {
    const { clock, logger } = options;
    this.#secretsKey = secretsKey(options.namespace);
    this.#options = options;
    this.#trouble = new TroubleLog({
      clock,
      logger,
      happens: 'lease watch broke; re-listing',
      over: 'lease watch works again',
    });
  }

  /** Starts following. Empty until the first listing. */
  start(): void {
    this.#running ??= this.#follow();
  }

  /** Stops following; resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#again?.();
    await this.#running;
  }

  /** Re-lists now, because something may have been missed. */
  refresh(): void {
    this.#again?.();
  }

  lease(instanceId: string): LeaseRecord | undefined {
    return this.#leases.get(instanceId);
  }

  /** The live replicas that take on new work. */
  candidates(): readonly ReplicaRecord[] {
    this.#candidates ??= [...this.#replicas.values()]
      .filter(({ draining }) => !draining)
      .map(({ replica }) => replica);
    return this.#candidates;
  }

  /** Every registered replica, draining ones too. */
  registered(): readonly ReplicaRecord[] {
    this.#registered ??= [...this.#replicas.values()].map(({ replica }) => replica);
    return this.#registered;
  }

  onVanished(listener: (instanceId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #follow(): Promise<void> {
    const { store, clock, namespace } = this.#options;
    const prefix = namespacePrefix(namespace);
    while (!this.#stop.signal.aborted) {
      try {
        const { revision, entries } = await store.list(prefix);
        this.#replace(entries);
        const steady = clock.after(STEADY_MS, () => this.#trouble.end());
        const broken = await new Promise<string | undefined>((resolve) => {
          const watch = store.watch(prefix, revision + 1, (events) => this.#apply(events), resolve);
          this.#again = () => {
            watch.close();
            resolve(undefined);
          };
          if (this.#stop.signal.aborted) this.#again();
        });
        steady.cancel();
        if (broken === undefined) continue;
        this.#trouble.add(broken);
      } catch (error) {
        this.#trouble.add(errorText(error));
      }
      await clock.sleep(RELIST_MS, this.#stop.signal);
    }
  }

  #replace(entries: readonly Entry[]): void {
    const gone = new Set(this.#leases.keys());
    this.#replicas.clear();
    this.#replicasChanged();
    for (const entry of entries) {
      this.#put(entry);
      const parsed = parseKey(this.#options.namespace, entry.key);
      if (parsed?.kind === 'lease') gone.delete(parsed.id);
    }
    for (const instanceId of gone) this.#vanished(instanceId);
    if (!entries.some(({ key }) => key === this.#secretsKey)) this.#options.onSecrets?.(undefined);
  }

  #apply(events: readonly KeyEvent[]): void {
    for (const event of events) {
      if (event.kind === 'put') {
        this.#put(event.entry);
        continue;
      }
      if (event.key === this.#secretsKey) this.#options.onSecrets?.(undefined);
      const parsed = parseKey(this.#options.namespace, event.key);
      if (parsed?.kind === 'lease') this.#vanished(parsed.id);
      if (parsed?.kind === 'replica') {
        this.#replicas.delete(parsed.id);
        this.#replicasChanged();
      }
    }
  }

  #put(entry: Entry): void {
    if (entry.key === this.#secretsKey) this.#options.onSecrets?.(entry);
    const parsed = parseKey(this.#options.namespace, entry.key);
    if (parsed?.kind === 'lease') {
      const lease = leaseRecord(parsed.id, entry);
      this.#leases.set(parsed.id, lease);
      this.#options.onLease?.(lease, entry.leaseId);
    }
    if (parsed?.kind === 'replica') {
      this.#replicas.set(parsed.id, replicaRecord(parsed.id, entry));
      this.#replicasChanged();
    }
  }

  #replicasChanged(): void {
    this.#registered = undefined;
    this.#candidates = undefined;
  }

  #vanished(instanceId: string): void {
    if (!this.#leases.delete(instanceId)) return;
    for (const listener of this.#listeners) listener(instanceId);
  }
}
