import { StoreUnavailable } from '../../coordinator/store.ts';
import type { LeaseStore } from '../../coordinator/store.ts';
import { refuseTooManyKeys, type SimEtcd } from './sim-etcd.ts';

/** Where faults are put in. */
export interface SimStoreOptions {
  /**
   * Wraps every call: may delay it, throw before `run` (the request was lost), run it and throw
   * (the answer was lost; throw `StoreUnavailable`), or never resolve. `call` is the name of the
   * store's method.
   */
  around?: (<T>(call: string, run: () => Promise<T>) => Promise<T>) | undefined;
}

/** A store on a {@link SimEtcd}, as one process sees it. */
export interface SimStore extends LeaseStore {
  /** Breaks every watch of this process, as a lost connection does. */
  breakWatches(why: string): void;
}

/**
 * One process's connection to the shared world. Answers come in a later microtask, never at once.
 */
export function simStore(world: SimEtcd, options: SimStoreOptions = {}): SimStore {
  const watches = new Set<{ break(why: string): void }>();
  let closed = false;

  function call<T>(name: string, run: () => T): Promise<T> {
    const attempt = async (): Promise<T> => {
      await Promise.resolve();
      if (closed) throw new StoreUnavailable('the store was closed');
      return run();
    };
    return options.around === undefined ? attempt() : options.around(name, attempt);
  }

  return {
    grant: (ttlS) => call('grant', () => world.grant(ttlS)),
    renew: (leaseId) => call('renew', () => world.renew(leaseId)),
    revoke: (leaseId) => call('revoke', () => world.revoke(leaseId)),
    acquire: (leaseId, wants) => call('acquire', () => world.acquire(leaseId, wants)),
    release: (terms) => call('release', () => world.release(terms)),
    put: (leaseId, key, value) => call('put', () => world.put(leaseId, key, value)),
    replace: (key, value, modRevision) =>
      call('replace', () => world.replace(key, value, modRevision)),
    confirmAbsent: (key, own) => call('confirmAbsent', () => world.confirmAbsent(key, own)),
    read: (keys) =>
      call('read', () => {
        refuseTooManyKeys(keys.length);
        return { revision: world.revision, entries: keys.map((key) => world.get(key)) };
      }),
    list: (prefix) =>
      call('list', () => ({ revision: world.revision, entries: world.entries(prefix) })),
    watch(prefix, fromRevision, onEvents, onBroken) {
      const watch = world.watch(prefix, fromRevision, onEvents, (why) => {
        watches.delete(watch);
        if (!closed) onBroken(why);
      });
      watches.add(watch);
      return {
        close() {
          watches.delete(watch);
          watch.close();
        },
      };
    },
    breakWatches(why) {
      for (const watch of watches) watch.break(why);
    },
    close() {
      closed = true;
      for (const watch of watches) watch.break('closed');
    },
  };
}
