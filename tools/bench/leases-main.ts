import { Coordinator } from '../../coordinator/coordinator.ts';
import { etcdStore } from '../../coordinator/etcd/store.ts';
import type { LeaseStore } from '../../coordinator/store.ts';
import { systemClock } from '../../src/time/clock.ts';
import { Histogram } from './histogram.ts';
import { serveJobs } from './jobs.ts';
import type { LeaseJobs } from './lease-jobs.ts';

/*
 * One coordinator, as in a replica, on a real etcd and nothing else, to measure what leases cost
 * apart from what advances cost. Run with --expose-gc: without it the heap would include garbage.
 */

const HOUR_MS = 3_600_000;
/** Time for the watch to deliver what was acquired, so that the heap includes the directory. */
const WATCH_CATCH_UP_MS = 2_000;

let coordinator: Coordinator | undefined;
let store: LeaseStore | undefined;
let renewals = 0;

function opened(): Coordinator {
  if (coordinator === undefined) throw new Error('the open job must come first');
  return coordinator;
}

/** Counts the store's renewals: nothing else is sent for leases that are held. */
function countRenewals(inner: LeaseStore): LeaseStore {
  return {
    ...inner,
    renew(leaseId) {
      renewals += 1;
      return inner.renew(leaseId);
    },
  };
}

const jobs: LeaseJobs = {
  async open({ etcdUrl, namespace, replicaId, ttlS, maxHoldings }) {
    store = countRenewals(etcdStore({ hosts: etcdUrl }));
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
    const leases = opened();
    const latencies = new Histogram();
    let [next, unexpected] = [0, 0];
    let firstUnexpected: string | undefined;
    const acquireNext = async (): Promise<void> => {
      while (next < count) {
        const instanceId = `${prefix}-${next++}`;
        const sentMs = performance.now();
        const { kind } = await leases.acquire(instanceId);
        latencies.record(performance.now() - sentMs);
        if (kind === 'acquired') continue;
        unexpected += 1;
        firstUnexpected ??= `${instanceId} was ${kind}`;
      }
    };
    const beganMs = performance.now();
    await Promise.all(Array.from({ length: Math.min(atOnce, count) }, acquireNext));
    const elapsedMs = performance.now() - beganMs;
    return {
      operations: count - unexpected,
      elapsedMs,
      latencies: latencies.data(),
      unexpected,
      firstUnexpected,
    };
  },

  async heap() {
    await new Promise((resolve) => setTimeout(resolve, WATCH_CATCH_UP_MS));
    if (globalThis.gc === undefined) throw new Error('run with --expose-gc');
    for (let round = 0; round < 3; round += 1) globalThis.gc();
    return { usedBytes: process.memoryUsage().heapUsed, held: opened().held };
  },

  async renewals({ durationMs }) {
    const before = renewals;
    await new Promise((resolve) => setTimeout(resolve, durationMs));
    return renewals - before;
  },

  async releaseAll() {
    const beganMs = performance.now();
    await opened().releaseAll(() => true, 'the bench no longer needs them');
    return { elapsedMs: performance.now() - beganMs, held: opened().held };
  },

  async stop() {
    const beganMs = performance.now();
    await opened().stop();
    const elapsedMs = performance.now() - beganMs;
    store?.close();
    return { elapsedMs };
  },
};

serveJobs(jobs);
