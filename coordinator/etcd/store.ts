import { EtcdLeaseInvalidError, Range } from 'etcd3';
import { etcdUnavailable, type EtcdAccess } from './etcd-error-text.ts';
import type { Etcd3, ICompare, IRequestOp } from 'etcd3';
import { systemClock } from '../../src/time/clock.ts';
import { exactInteger } from '../../src/ids.ts';
import { EtcdClients } from './clients.ts';
import type { EtcdOptions } from './client.ts';
import { entryOf } from './entry.ts';
import { EtcdKeepAlive } from './keep-alive.ts';
import { watchEtcd } from './watch.ts';
import { LeaseGone, MAX_KEYS_PER_CALL, StoreUnavailable } from '../store.ts';
import type { Entry, LeaseStore, Want, WantVerdict } from '../store.ts';

const LIST_PAGE = 2_000;

/** The {@link LeaseStore} of a real etcd, 3.4 or newer. */
export function etcdStore(options: EtcdOptions): LeaseStore {
  const clock = options.clock ?? systemClock;
  const callTimeoutMs = options.callTimeoutMs ?? 1_000;
  const clients = new EtcdClients(options, clock, callTimeoutMs);
  const members = [options.hosts].flat();
  // So that not all replicas start with the same one.
  let next = Math.floor(Math.random() * members.length);
  const keepAlive = new EtcdKeepAlive({
    clock,
    timeoutMs: callTimeoutMs,
    dial: () => clients.dial(members[next++ % members.length]),
  });
  const access = (): EtcdAccess => ({
    secure: members.every((member) => member.startsWith('https:')),
    tls: clients.tls(),
  });
  const call = <T>(run: (client: Etcd3) => Promise<T>): Promise<T> =>
    definite(access, () => clients.use(run));

  return {
    async grant(ttlS) {
      const granted = await call((client) => client.leaseClient.leaseGrant({ TTL: ttlS }));
      return { leaseId: granted.ID, ttlMs: exactInteger(granted.TTL) * 1_000 };
    },

    renew: (leaseId) => definite(access, () => keepAlive.renew(leaseId)),

    async revoke(leaseId) {
      void keepAlive.revokeBlindly(leaseId);
      try {
        await call((client) => client.leaseClient.leaseRevoke({ ID: leaseId }));
      } catch (error) {
        if (!(error instanceof LeaseGone)) throw error;
      }
    },

    async acquire(leaseId, wants) {
      limited(wants.length);
      const answer = await call((client) =>
        client.kv.txn({ success: wants.map((want) => acquireOp(leaseId, want)) }),
      );
      return {
        revision: exactInteger(answer.header.revision),
        verdicts: answer.responses.map(({ response_txn: nested }): WantVerdict => {
          if (nested.succeeded) return { kind: 'won' };
          const found = nested.responses[0]?.response_range.kvs[0];
          return found === undefined ? { kind: 'absent' } : { kind: 'held', entry: entryOf(found) };
        }),
      };
    },

    async release(terms) {
      limited(terms.length);
      const answer = await call((client) => client.kv.txn({ success: terms.map(releaseOp) }));
      return answer.responses.map(({ response_txn: nested }) => nested.succeeded);
    },

    async put(leaseId, key, value) {
      await call((client) =>
        client.kv.put({ key: Buffer.from(key), value: Buffer.from(value), lease: leaseId }),
      );
    },

    async replace(key, value, modRevision) {
      const answer = await call((client) =>
        client.kv.txn({
          compare: [modRevision === 0 ? absent(key) : unchanged(key, modRevision)],
          success: [{ request_put: { key: Buffer.from(key), value: Buffer.from(value) } }],
        }),
      );
      return answer.succeeded;
    },

    async confirmAbsent(absentKey, own) {
      const answer = await call((client) =>
        client.kv.txn({
          compare: [absent(absentKey)],
          success: [putOp(own.key, own.value, own.leaseId)],
          failure: [{ request_range: { key: Buffer.from(absentKey), keys_only: true } }],
        }),
      );
      return answer.succeeded;
    },

    async read(keys) {
      limited(keys.length);
      const answer = await call((client) =>
        client.kv.txn({
          success: keys.map((key) => ({ request_range: { key: Buffer.from(key) } })),
        }),
      );
      return {
        revision: exactInteger(answer.header.revision),
        entries: answer.responses.map(({ response_range: { kvs } }) =>
          kvs[0] === undefined ? undefined : entryOf(kvs[0]),
        ),
      };
    },

    async list(prefix) {
      const end = Buffer.from(Range.prefix(prefix).end);
      const entries: Entry[] = [];
      let start = Buffer.from(prefix);
      let revision = 0;
      for (;;) {
        const page = await call((client) =>
          client.kv.range({ key: start, range_end: end, limit: LIST_PAGE, revision }),
        );
        // Later pages are read at the first one's revision, so that a watch from there misses
        // nothing.
        if (revision === 0) revision = exactInteger(page.header.revision);
        for (const kv of page.kvs) entries.push(entryOf(kv));
        const last = page.kvs.at(-1);
        if (!page.more || last === undefined) return { revision, entries };
        start = Buffer.concat([last.key, Buffer.from([0])]);
      }
    },

    watch(prefix, fromRevision, onEvents, onBroken) {
      const { client, release } = clients.borrow();
      const watch = watchEtcd({
        client,
        clock,
        callTimeoutMs,
        prefix,
        fromRevision,
        onEvents,
        onBroken(why) {
          release();
          onBroken(why);
        },
      });
      return {
        close() {
          watch.close();
          release();
        },
      };
    },

    close() {
      keepAlive.close();
      clients.close();
    },
  };
}

// The comparison names ('Equal', 'Create', 'Mod') are the library's. It would silently compare
// something else for a name that it does not know, so they appear only here, and the contract test
// checks them against a real etcd.

function absent(key: string): ICompare {
  return { result: 'Equal', target: 'Create', key: Buffer.from(key), create_revision: 0 };
}

function unchanged(key: string, modRevision: number): ICompare {
  return { result: 'Equal', target: 'Mod', key: Buffer.from(key), mod_revision: modRevision };
}

function putOp(key: string, value: string, leaseId: string): IRequestOp {
  return { request_put: { key: Buffer.from(key), value: Buffer.from(value), lease: leaseId } };
}

function acquireOp(leaseId: string, want: Want): IRequestOp {
  return {
    request_txn: {
      compare: [
        want.replaces === undefined ? absent(want.key) : unchanged(want.key, want.replaces),
      ],
      success: [putOp(want.key, want.value, leaseId)],
      failure: [{ request_range: { key: Buffer.from(want.key) } }],
    },
  };
}

function releaseOp(term: { key: string; modRevision: number }): IRequestOp {
  return {
    request_txn: {
      compare: [unchanged(term.key, term.modRevision)],
      success: [{ request_delete_range: { key: Buffer.from(term.key) } }],
    },
  };
}

/**
 * Maps errors to the two that the port defines; with any error but a missing lease the outcome is
 * unknown.
 */
async function definite<T>(access: () => EtcdAccess, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof StoreUnavailable) throw cause;
    if (cause instanceof EtcdLeaseInvalidError) throw new LeaseGone(cause.message, { cause });
    throw etcdUnavailable(cause, access());
  }
}

function limited(keys: number): void {
  if (keys > MAX_KEYS_PER_CALL) {
    throw new RangeError(
      `${keys} keys in one call; at most ${MAX_KEYS_PER_CALL} fit in an etcd transaction here`,
    );
  }
}
