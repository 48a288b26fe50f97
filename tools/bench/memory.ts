import { countKeys, leasePrefix } from './etcd-keys.ts';
import { throwIfStopped } from './events.ts';
import type { Progress } from './events.ts';
import type { BenchOptions } from './options.ts';
import { DEFAULT_TTL_S } from './bench-stack.ts';
import type { BenchStack } from './bench-stack.ts';
import { requireExpected } from './load.ts';

const AT_ONCE = 2_048;
/** Twice the TTL: several renewals. */
const RENEWALS_MS = 2 * DEFAULT_TTL_S * 1_000;
const POLL_MS = 50;
const EXPIRY_TIMEOUT_MS = 120_000;

/**
 * What many held instances cost the process that holds them: the heap for each; the renewals within
 * a time without and with them; and how long it takes until the leases are gone when they are
 * released one by one, when the session ends, and when they expire.
 */
export async function measureMemory(
  stack: BenchStack,
  { held }: BenchOptions,
  progress: Progress,
): Promise<void> {
  const namespace = 'holding';
  const at = { held, ttlS: DEFAULT_TTL_S };
  const leases = await stack.startLeaseWorker('holder-00000000', namespace, 2 * held);
  const acquire = async (prefix: string, count: number, worker = leases): Promise<void> => {
    requireExpected('acquiring', await worker.run('acquire', { prefix, count, atOnce: AT_ONCE }));
  };
  // What the first use compiles and pools is not a cost of holding.
  await acquire('warm', 2_000);
  await leases.run('releaseAll', null);

  progress.note('counting renewals with nothing held');
  const before = await leases.run('heap', null);
  const idleRenewals = await leases.run('renewals', { durationMs: RENEWALS_MS });
  throwIfStopped(progress.stop);
  progress.note(`acquiring ${held} leases`);
  await acquire('h', held);
  const after = await leases.run('heap', null);
  if (after.held !== held) throw new Error(`${after.held} instances are held instead of ${held}`);
  const values = {
    perHoldingBytes: (after.usedBytes - before.usedBytes) / held,
    heapBytes: after.usedBytes,
  };
  progress.figure({ part: 'memory', subject: 'held', at, values });

  progress.note(`counting renewals with ${held} held`);
  const heldRenewals = await leases.run('renewals', { durationMs: RENEWALS_MS });
  const seconds = RENEWALS_MS / 1_000;
  progress.figure({
    part: 'memory',
    subject: 'keep_alive',
    at,
    values: {
      idlePerS: idleRenewals / seconds,
      heldPerS: heldRenewals / seconds,
      growth: heldRenewals / Math.max(1, idleRenewals),
    },
  });

  throwIfStopped(progress.stop);
  progress.note(`releasing ${held} leases one by one`);
  const released = await leases.run('releaseAll', null);
  await allGone(stack, namespace, 0, progress);
  progress.figure({
    part: 'memory',
    subject: 'release',
    at,
    values: { tookMs: released.elapsedMs },
  });

  progress.note(`releasing ${held} leases by ending the session`);
  await acquire('s', held);
  const stopped = await leases.run('stop', null);
  await allGone(stack, namespace, 0, progress);
  progress.figure({
    part: 'memory',
    subject: 'end_of_session',
    at,
    values: { tookMs: stopped.elapsedMs },
  });
  await leases.kill();

  throwIfStopped(progress.stop);
  progress.note(`letting ${held} leases expire`);
  const expiring = await stack.startLeaseWorker('expiring-00000000', namespace, 2 * held);
  await acquire('e', held, expiring);
  const killedMs = performance.now();
  await expiring.kill();
  const goneMs = await allGone(stack, namespace, POLL_MS, progress);
  progress.figure({ part: 'memory', subject: 'expiry', at, values: { tookMs: goneMs - killedMs } });
}

/** Waits until etcd has no more leases. @returns when that was, by `performance.now()` */
async function allGone(
  stack: BenchStack,
  namespace: string,
  everyMs: number,
  { stop }: Progress,
): Promise<number> {
  const deadlineMs = performance.now() + EXPIRY_TIMEOUT_MS;
  for (;;) {
    const left = await countKeys(stack.servers.etcd.url, leasePrefix(namespace));
    const nowMs = performance.now();
    if (left === 0) return nowMs;
    if (nowMs > deadlineMs)
      throw new Error(`${left} leases still exist after ${EXPIRY_TIMEOUT_MS / 1_000} s`);
    throwIfStopped(stop);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
