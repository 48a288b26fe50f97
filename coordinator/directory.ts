import { TransientMap } from '../src/transient-map.ts';
import type { Clock } from '../src/time/clock.ts';
import { errorText } from '../src/error-text.ts';
import { leaseRecord, namespacePrefix, parseKey, replicaRecord } from './keys.ts';
import type { LeaseRecord, ReplicaRecord } from './leases.ts';
import type { Entry, KeyEvent, LeaseStore } from './store.ts';

/** How long to wait before listing again after the watch broke, in milliseconds. */
const RELIST_MS = 250;

/** What the directory needs from outside. */
export interface DirectoryOptions {
  store: LeaseStore;
  clock: Clock;
  namespace: string;
  /** Told of every lease key that appeared or changed, with the etcd lease that it hangs on. */
  onLease?: ((lease: LeaseRecord, leaseId: string | undefined) => void) | undefined;
  /** Told why the watch broke; the directory lists again by itself. */
  onBroken?: ((why: string) => void) | undefined;
}

/**
 * Who holds what and who lives, as last seen: a hint to look again, never the truth. It lists,
 * follows by a watch from the revision of the listing, and lists again whenever the watch breaks.
 */
export class Directory {
  readonly #options: DirectoryOptions;
  readonly #leases = new TransientMap<string, LeaseRecord>();
  readonly #replicas = new Map<string, { replica: ReplicaRecord; draining: boolean }>();
  readonly #listeners = new Set<(instanceId: string) => void>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #again: (() => void) | undefined;
  #candidates: readonly ReplicaRecord[] | undefined;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  /** Begins to follow. What it knows is empty until the first listing. */
  start(): void {
    this.#running ??= this.#follow();
  }

  /** Ends following; resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#again?.();
    await this.#running;
  }

  /** Lists again now, because there is reason to believe that something was missed. */
  refresh(): void {
    this.#again?.();
  }

  lease(instanceId: string): LeaseRecord | undefined {
    return this.#leases.get(instanceId);
  }

  /** The live replicas that take up new work. */
  candidates(): readonly ReplicaRecord[] {
    this.#candidates ??= [...this.#replicas.values()]
      .filter(({ draining }) => !draining)
      .map(({ replica }) => replica);
    return this.#candidates;
  }

  onVanished(listener: (instanceId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #follow(): Promise<void> {
    const { store, clock, namespace, onBroken } = this.#options;
    const prefix = namespacePrefix(namespace);
    while (!this.#stop.signal.aborted) {
      try {
        const { revision, entries } = await store.list(prefix);
        this.#replace(entries);
        const broken = await new Promise<string | undefined>((resolve) => {
          const watch = store.watch(prefix, revision + 1, (events) => this.#apply(events), resolve);
          this.#again = () => {
            watch.close();
            resolve(undefined);
          };
          if (this.#stop.signal.aborted) this.#again();
        });
        if (broken === undefined) continue;
        onBroken?.(broken);
      } catch (error) {
        onBroken?.(errorText(error));
      }
      await clock.sleep(RELIST_MS, this.#stop.signal);
    }
  }

  #replace(entries: readonly Entry[]): void {
    const gone = new Set(this.#leases.keys());
    this.#replicas.clear();
    this.#candidates = undefined;
    for (const entry of entries) {
      this.#put(entry);
      const parsed = parseKey(this.#options.namespace, entry.key);
      if (parsed?.kind === 'lease') gone.delete(parsed.id);
    }
    for (const instanceId of gone) this.#vanished(instanceId);
  }

  #apply(events: readonly KeyEvent[]): void {
    for (const event of events) {
      if (event.kind === 'put') {
        this.#put(event.entry);
        continue;
      }
      const parsed = parseKey(this.#options.namespace, event.key);
      if (parsed?.kind === 'lease') this.#vanished(parsed.id);
      if (parsed?.kind === 'replica') {
        this.#replicas.delete(parsed.id);
        this.#candidates = undefined;
      }
    }
  }

  #put(entry: Entry): void {
    const parsed = parseKey(this.#options.namespace, entry.key);
    if (parsed?.kind === 'lease') {
      const lease = leaseRecord(parsed.id, entry);
      this.#leases.set(parsed.id, lease);
      this.#options.onLease?.(lease, entry.leaseId);
    }
    if (parsed?.kind === 'replica') {
      this.#replicas.set(parsed.id, replicaRecord(parsed.id, entry));
      this.#candidates = undefined;
    }
  }

  #vanished(instanceId: string): void {
    if (!this.#leases.delete(instanceId)) return;
    for (const listener of this.#listeners) listener(instanceId);
  }
}

/**
 * Every lease and replica of a namespace as of now, for tools that look once. Throws as the store
 * does.
 */
export async function lookUp(
  store: LeaseStore,
  namespace: string,
): Promise<{ leases: LeaseRecord[]; replicas: ReplicaRecord[] }> {
  const { entries } = await store.list(namespacePrefix(namespace));
  const leases: LeaseRecord[] = [];
  const replicas: ReplicaRecord[] = [];
  for (const entry of entries) {
    const parsed = parseKey(namespace, entry.key);
    if (parsed?.kind === 'lease') leases.push(leaseRecord(parsed.id, entry));
    if (parsed?.kind === 'replica') replicas.push(replicaRecord(parsed.id, entry).replica);
  }
  return { leases, replicas };
}
