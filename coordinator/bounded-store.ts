import type { Clock } from '../src/time/clock.ts';
import { withDeadline } from '../src/time/deadline.ts';
import { StoreUnavailable } from './store.ts';
import type { LeaseStore } from './store.ts';

/** A listing may take several round trips: it gets this many times the bound of a single call. */
const LIST_CALLS = 10;

/** A store whose calls are bounded in time. */
export interface BoundedStore extends LeaseStore {
  /** Fails every call under way, and cancels every timer. */
  abandon(): void;
}

/**
 * Bounds every call of a store in time, by the given clock: a call that takes longer throws
 * {@link StoreUnavailable}, whatever the client library does. A later answer is dropped.
 */
export function boundedStore(store: LeaseStore, clock: Clock, callMs: number): BoundedStore {
  const underWay = new Set<() => void>();
  const within = <T>(call: string, ms: number, run: () => Promise<T>): Promise<T> =>
    withDeadline(
      clock,
      ms,
      StoreUnavailable,
      `etcd did not answer (${call}, ${ms} ms)`,
      run,
      underWay,
    );

  return {
    grant: (ttlS) => within('grant', callMs, () => store.grant(ttlS)),
    renew: (leaseId) => within('renew', callMs, () => store.renew(leaseId)),
    revoke: (leaseId) => within('revoke', callMs, () => store.revoke(leaseId)),
    acquire: (leaseId, wants) => within('acquire', callMs, () => store.acquire(leaseId, wants)),
    release: (terms) => within('release', callMs, () => store.release(terms)),
    put: (leaseId, key, value) => within('put', callMs, () => store.put(leaseId, key, value)),
    replace: (key, value, modRevision) =>
      within('replace', callMs, () => store.replace(key, value, modRevision)),
    confirmAbsent: (key, own) =>
      within('confirmAbsent', callMs, () => store.confirmAbsent(key, own)),
    read: (keys) => within('read', callMs, () => store.read(keys)),
    list: (prefix) => within('list', callMs * LIST_CALLS, () => store.list(prefix)),
    watch: (prefix, fromRevision, onEvents, onBroken) =>
      store.watch(prefix, fromRevision, onEvents, onBroken),
    close: () => store.close(),
    abandon() {
      for (const fail of underWay) fail();
    },
  };
}
