import { countKeys, leasePrefix } from './etcd-keys.ts';
import { goOn } from './events.ts';
import type { Progress } from './events.ts';
import type { BenchOptions } from './options.ts';
import { USUAL_TTL_S } from './stage.ts';
import type { Stage } from './stage.ts';
import { sound } from './sweep.ts';

const AT_ONCE = 2_048;
/** Twice the TTL: several renewals. */
const TRAFFIC_MS = 2 * USUAL_TTL_S * 1_000;
const LOOK_AGAIN_MS = 50;
const EXPIRY_WITHIN_MS = 120_000;

/**
 * What many held instances cost the process that holds them: heap for each, renewals in a stretch
 * of time without and with them, and how long it takes until they are gone, given back one by one,
 * with the session, or by nobody.
 */
export async function measureHolding(
  stage: Stage,
  { held }: BenchOptions,
  progress: Progress,
): Promise<void> {
  const namespace = 'holding';
  const at = { held, ttlS: USUAL_TTL_S };
  const leases = await stage.leases('holder-00000000', namespace, 2 * held);
  const acquire = async (prefix: string, count: number, worker = leases): Promise<void> => {
    sound('acquiring', await worker.ask('acquire', { prefix, count, atOnce: AT_ONCE }));
  };
  // What is compiled and pooled at the first use is no cost of what is held.
  await acquire('warm', 2_000);
  await leases.ask('releaseAll', null);

  progress.note('counting renewals with nothing held');
  const before = await leases.ask('heap', null);
  const idleRenewals = await leases.ask('renewals', { durationMs: TRAFFIC_MS });
  goOn(progress.stop);
  progress.note(`acquiring ${held} leases`);
  await acquire('h', held);
  const after = await leases.ask('heap', null);
  if (after.held !== held) throw new Error(`${after.held} instances are held instead of ${held}`);
  const values = {
    perHoldingBytes: (after.usedBytes - before.usedBytes) / held,
    heapBytes: after.usedBytes,
  };
  progress.figure({ part: 'memory', subject: 'held', at, values });

  progress.note(`counting renewals with ${held} held`);
  const heldRenewals = await leases.ask('renewals', { durationMs: TRAFFIC_MS });
  const seconds = TRAFFIC_MS / 1_000;
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

  goOn(progress.stop);
  progress.note(`giving ${held} leases back one by one`);
  const released = await leases.ask('releaseAll', null);
  await gone(stage, namespace, 0, progress);
  progress.figure({
    part: 'memory',
    subject: 'release',
    at,
    values: { tookMs: released.elapsedMs },
  });

  progress.note(`giving ${held} leases back by the end of the session`);
  await acquire('s', held);
  const stopped = await leases.ask('stop', null);
  await gone(stage, namespace, 0, progress);
  progress.figure({
    part: 'memory',
    subject: 'end_of_session',
    at,
    values: { tookMs: stopped.elapsedMs },
  });
  await leases.kill();

  goOn(progress.stop);
  progress.note(`letting ${held} leases expire`);
  const doomed = await stage.leases('doomed-00000000', namespace, 2 * held);
  await acquire('e', held, doomed);
  const killedMs = performance.now();
  await doomed.kill();
  const goneMs = await gone(stage, namespace, LOOK_AGAIN_MS, progress);
  progress.figure({ part: 'memory', subject: 'expiry', at, values: { tookMs: goneMs - killedMs } });
}

/** Waits until etcd has no lease any more; answers when that was. */
async function gone(
  stage: Stage,
  namespace: string,
  everyMs: number,
  { stop }: Progress,
): Promise<number> {
  const deadlineMs = performance.now() + EXPIRY_WITHIN_MS;
  for (;;) {
    const left = await countKeys(stage.servers.etcd.url, leasePrefix(namespace));
    const nowMs = performance.now();
    if (left === 0) return nowMs;
    if (nowMs > deadlineMs)
      throw new Error(`${left} leases are left after ${EXPIRY_WITHIN_MS / 1_000} s`);
    goOn(stop);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
