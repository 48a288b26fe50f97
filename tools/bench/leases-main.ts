import { Coordinator } from '../../coordinator/coordinator.ts';
import { etcdStore } from '../../coordinator/etcd/store.ts';
import type { LeaseStore } from '../../coordinator/store.ts';
import { serveOrders } from './orders.ts';
import type { LeaseOrders } from './ports.ts';
import { Histogram } from './histogram.ts';
import { systemClock } from '../../src/time/clock.ts';

/*
 * One coordinator, as a replica has it, on a real etcd and with nothing around it: so that what
 * leases cost is measured without what advances cost. Run with --expose-gc, else the heap would
 * show what is not held any more.
 */

const HOUR_MS = 3_600_000;
/**
 * Until the watch has brought what was acquired, so that the directory's share of the heap is
 * there.
 */
const CATCH_UP_MS = 2_000;

let coordinator: Coordinator | undefined;
let store: LeaseStore | undefined;
let renewals = 0;

function leading(): Coordinator {
  if (coordinator === undefined) throw new Error('open comes first');
  return coordinator;
}

/** The store, with its renewals counted: they are all that goes out for what is held already. */
function counted(inner: LeaseStore): LeaseStore {
  return {
    ...inner,
    renew(leaseId) {
      renewals += 1;
      return inner.renew(leaseId);
    },
  };
}

const book: LeaseOrders = {
  async open({ etcdUrl, namespace, replicaId, ttlS, maxHoldings }) {
    store = counted(etcdStore({ hosts: etcdUrl }));
    coordinator = new Coordinator({
      store,
      clock: systemClock,
      namespace,
      replicaId,
      name: replicaId,
      pid: process.pid,
      httpUrl: 'http://127.0.0.1:1',
      ttlS,
      gate: () => Promise.resolve(undefined),
      idleReleaseMs: HOUR_MS,
      maxHoldings,
    });
    await coordinator.start();
    const why = coordinator.notLeading();
    if (why !== undefined) throw new Error(`the coordinator does not lead: ${why}`);
  },

  async acquire({ prefix, count, atOnce }) {
    const coordinating = leading();
    const latencies = new Histogram();
    let [next, wrong] = [0, 0];
    let firstWrong: string | undefined;
    const work = async (): Promise<void> => {
      while (next < count) {
        const instanceId = `${prefix}-${next++}`;
        const askedMs = performance.now();
        const { kind } = await coordinating.acquire(instanceId);
        latencies.record(performance.now() - askedMs);
        if (kind === 'acquired') continue;
        wrong += 1;
        firstWrong ??= `${instanceId} was ${kind}`;
      }
    };
    const beganMs = performance.now();
    await Promise.all(Array.from({ length: Math.min(atOnce, count) }, work));
    const elapsedMs = performance.now() - beganMs;
    return { operations: count - wrong, elapsedMs, latencies: latencies.data(), wrong, firstWrong };
  },

  async heap() {
    await new Promise((resolve) => setTimeout(resolve, CATCH_UP_MS));
    if (globalThis.gc === undefined) throw new Error('run with --expose-gc');
    for (let round = 0; round < 3; round += 1) globalThis.gc();
    return { usedBytes: process.memoryUsage().heapUsed, held: leading().held };
  },

  async renewals({ durationMs }) {
    const before = renewals;
    await new Promise((resolve) => setTimeout(resolve, durationMs));
    return renewals - before;
  },

  async releaseAll() {
    const beganMs = performance.now();
    await leading().releaseAll(() => true, 'the bench is done with them');
    return { elapsedMs: performance.now() - beganMs, held: leading().held };
  },

  async stop() {
    const beganMs = performance.now();
    await leading().stop();
    const elapsedMs = performance.now() - beganMs;
    store?.close();
    return { elapsedMs };
  },
};

serveOrders(book);
