import { LeaseGone, MAX_KEYS_PER_CALL } from '../../coordinator/store.ts';
import type { Entry, KeyEvent, Want, WantVerdict } from '../../coordinator/store.ts';
import type { Clock, Timer } from '../../src/time/clock.ts';

interface SimLease {
  ttlMs: number;
  expiresAtMs: number;
  expiry: Timer;
  keys: Set<string>;
}

interface SimWatch {
  prefix: string;
  fromRevision: number;
  queue: KeyEvent[];
  delivering: boolean;
  onEvents: (events: readonly KeyEvent[]) => void;
  onBroken: (why: string) => void;
}

/** One change of the world: what one revision did. */
interface Change {
  revision: number;
  events: KeyEvent[];
}

/**
 * A whole etcd in memory, on the given clock: every store made by {@link simStore} on it sees the
 * same keys. All puts of a transaction share one revision; a transaction that changes nothing takes
 * none. A lease expires exactly at its TTL, which is the earliest that a real etcd allows itself.
 */
export class SimEtcd {
  revision = 1;
  readonly clock: Clock;
  /** A grant gives at least this, as a real etcd does with its default election time-out. */
  readonly minTtlS: number;
  readonly #keys = new Map<string, Entry>();
  readonly #leases = new Map<string, SimLease>();
  readonly #watches = new Set<SimWatch>();
  /** How late watch events arrive. */
  watchDelayMs = 0;
  #history: Change[] = [];
  #compacted = 0;
  #lastLease = 7_000;

  constructor(clock: Clock, minTtlS = 2) {
    this.clock = clock;
    this.minTtlS = minTtlS;
  }

  /** The present keys under a prefix, in order of the key. */
  entries(prefix = ''): Entry[] {
    return [...this.#keys.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .map((entry) => ({ ...entry }));
  }

  get(key: string): Entry | undefined {
    const entry = this.#keys.get(key);
    return entry === undefined ? undefined : { ...entry };
  }

  /** Forgets what happened up to and including a revision: a watch from there breaks. */
  compact(revision: number): void {
    this.#compacted = Math.max(this.#compacted, revision);
    this.#history = this.#history.filter((change) => change.revision > revision);
  }

  /** Ends every lease at once, as if all of their holders had been silent for too long. */
  expireAll(): void {
    for (const leaseId of this.#leases.keys()) this.revoke(leaseId);
  }

  grant(ttlS: number): { leaseId: string; ttlMs: number } {
    const ttlMs = Math.max(ttlS, this.minTtlS) * 1_000;
    this.#lastLease += 1;
    const leaseId = String(this.#lastLease);
    this.#leases.set(leaseId, {
      ttlMs,
      expiresAtMs: this.clock.monotonicMs() + ttlMs,
      expiry: this.#expireIn(leaseId, ttlMs),
      keys: new Set(),
    });
    return { leaseId, ttlMs };
  }

  renew(leaseId: string): { ttlMs: number } {
    const lease = this.#lease(leaseId);
    if (lease === undefined) return { ttlMs: 0 };
    lease.expiry.cancel();
    lease.expiresAtMs = this.clock.monotonicMs() + lease.ttlMs;
    lease.expiry = this.#expireIn(leaseId, lease.ttlMs);
    return { ttlMs: lease.ttlMs };
  }

  revoke(leaseId: string): void {
    const lease = this.#leases.get(leaseId);
    if (lease === undefined) return;
    lease.expiry.cancel();
    this.#leases.delete(leaseId);
    this.#change((change) => {
      for (const key of lease.keys) this.#delete(key, change);
    });
  }

  acquire(leaseId: string, wants: readonly Want[]): { revision: number; verdicts: WantVerdict[] } {
    refuseTooManyKeys(wants.length);
    // As in etcd, a put that cannot be done fails the whole transaction; one that is not reached
    // does not.
    const winning = wants.map(({ key, replaces }) => this.#keys.get(key)?.modRevision === replaces);
    if (winning.includes(true)) this.#lease(leaseId, 'must exist');
    const verdicts = this.#change((change) =>
      wants.map((want, index): WantVerdict => {
        if (winning[index] === true) {
          this.#put(leaseId, want.key, want.value, change);
          return { kind: 'won' };
        }
        const entry = this.get(want.key);
        return entry === undefined ? { kind: 'absent' } : { kind: 'held', entry };
      }),
    );
    return { revision: this.revision, verdicts };
  }

  release(terms: readonly { key: string; modRevision: number }[]): boolean[] {
    refuseTooManyKeys(terms.length);
    return this.#change((change) =>
      terms.map(({ key, modRevision }) => {
        if (this.#keys.get(key)?.modRevision !== modRevision) return false;
        this.#delete(key, change);
        return true;
      }),
    );
  }

  put(leaseId: string, key: string, value: string): void {
    this.#lease(leaseId, 'must exist');
    this.#change((change) => this.#put(leaseId, key, value, change));
  }

  replace(key: string, value: string, modRevision: number): boolean {
    if ((this.#keys.get(key)?.modRevision ?? 0) !== modRevision) return false;
    this.#change((change) => this.#put(undefined, key, value, change));
    return true;
  }

  confirmAbsent(absentKey: string, own: { key: string; value: string; leaseId: string }): boolean {
    if (this.#keys.has(absentKey)) return false;
    this.put(own.leaseId, own.key, own.value);
    return true;
  }

  watch(
    prefix: string,
    fromRevision: number,
    onEvents: (events: readonly KeyEvent[]) => void,
    onBroken: (why: string) => void,
  ): { close(): void; break(why: string): void } {
    const watch: SimWatch = {
      prefix,
      fromRevision,
      queue: [],
      delivering: false,
      onEvents,
      onBroken,
    };
    this.#watches.add(watch);
    let closed = false;
    const breakOff = (why: string): void => {
      if (!this.#watches.delete(watch)) return;
      this.clock.after(0, () => {
        if (!closed) onBroken(why);
      });
    };
    if (fromRevision <= this.#compacted)
      breakOff(`revision ${fromRevision} has been compacted away`);
    else for (const change of this.#history) this.#offer(watch, change);
    return {
      close: () => {
        closed = true;
        this.#watches.delete(watch);
      },
      break: breakOff,
    };
  }

  #lease(leaseId: string, must?: 'must exist'): SimLease | undefined {
    const lease = this.#leases.get(leaseId);
    // A timer may fire a moment late; the lease is over all the same.
    const over = lease === undefined || this.clock.monotonicMs() >= lease.expiresAtMs;
    if (over) this.revoke(leaseId);
    if (over && must !== undefined) throw new LeaseGone(`there is no lease ${leaseId}`);
    return over ? undefined : lease;
  }

  #expireIn(leaseId: string, ttlMs: number): Timer {
    return this.clock.after(ttlMs, () => this.revoke(leaseId));
  }

  /** Runs one transaction: everything that it changes gets the next revision. */
  #change<T>(run: (change: Change) => T): T {
    const change: Change = { revision: this.revision + 1, events: [] };
    const answer = run(change);
    if (change.events.length > 0) {
      this.revision = change.revision;
      this.#history.push(change);
      for (const watch of this.#watches) this.#offer(watch, change);
    }
    return answer;
  }

  #put(leaseId: string | undefined, key: string, value: string, change: Change): void {
    const before = this.#keys.get(key);
    if (before?.leaseId !== undefined) this.#leases.get(before.leaseId)?.keys.delete(key);
    if (leaseId !== undefined) this.#leases.get(leaseId)?.keys.add(key);
    const entry: Entry = {
      key,
      value,
      createRevision: before?.createRevision ?? change.revision,
      modRevision: change.revision,
      leaseId,
    };
    this.#keys.set(key, entry);
    change.events.push({ kind: 'put', entry: { ...entry } });
  }

  #delete(key: string, change: Change): void {
    const before = this.#keys.get(key);
    if (before === undefined) return;
    this.#keys.delete(key);
    if (before.leaseId !== undefined) this.#leases.get(before.leaseId)?.keys.delete(key);
    change.events.push({ kind: 'deleted', key, modRevision: change.revision });
  }

  #offer(watch: SimWatch, change: Change): void {
    if (change.revision < watch.fromRevision) return;
    const events = change.events.filter((event) =>
      (event.kind === 'put' ? event.entry.key : event.key).startsWith(watch.prefix),
    );
    if (events.length === 0) return;
    watch.queue.push(...events);
    if (watch.delivering) return;
    watch.delivering = true;
    this.clock.after(this.watchDelayMs, () => {
      watch.delivering = false;
      if (this.#watches.has(watch)) watch.onEvents(watch.queue.splice(0));
    });
  }
}

/** As etcd does, refuses a transaction of too many operations. */
export function refuseTooManyKeys(keys: number): void {
  if (keys > MAX_KEYS_PER_CALL) {
    throw new RangeError(`${keys} keys in one call; at most ${MAX_KEYS_PER_CALL}`);
  }
}
