import type { Bus } from '../src/bus/bus.ts';
import type { Logger } from '../src/logger.ts';
import type { Clock } from '../src/time/clock.ts';
import type { LeasesLifecycle } from './leases-lifecycle.ts';
import type { Notes } from './mac/notes.ts';
import type { AttemptInHand, Attempts } from './run/attempts.ts';

/** How long aborted attempts have to record their outcome. */
const ABORT_GRACE_MS = 1_500;
/**
 * How long the others have to take over the instances that they have requests for, before etcd is
 * asked to delete all that is left: deleting thousands of keys, and reading of it, would keep etcd
 * and every replica busy at the moment that counts.
 */
const HEAD_START_MS = 100;

/** What a drain needs from its replica. */
export interface DrainOptions {
  leases: LeasesLifecycle;
  attempts: Attempts;
  bus: Bus;
  notes: Notes;
  clock: Clock;
  logger: Logger;
  /** How long attempts may go on before they are aborted. */
  drainMs: number;
  /** Aborts every attempt that is still open. */
  abortAttempts: () => void;
}

/**
 * Gives up everything that a draining replica holds: releases every instance without an attempt at
 * once, lets attempts end for `drainMs`, aborts what is left, releases the rest, and ends
 * the session. The replica takes nothing in any more.
 *
 * @returns how many attempts it aborted
 */
export async function drainHoldings(options: DrainOptions): Promise<number> {
  const { leases, attempts, bus, logger } = options;
  const idle = attempts.all().length === 0;
  // Every term without an attempt ends now, and the others may replace it as soon as they hear of
  // it. Without any attempt, the end of the session releases everything in one message, however
  // much is held.
  const stopped = idle ? leases.stop(HEAD_START_MS) : undefined;
  const released = idle ? undefined : releaseIdle(options, HEAD_START_MS);
  announceLeaving(options);
  void bus.flush();
  if (released !== undefined) {
    // Replicas that start later did not hear the announcement.
    void leases.drain();
    void released.then((left) => {
      logger.info({ attempts: left }, 'draining: released every instance without an attempt');
    });
  }
  await untilNoAttempts(options, options.drainMs);
  const aborted = attempts.all().length;
  if (aborted > 0) {
    for (const { instanceId, cellId, attempt, fencingToken: token } of attempts.all()) {
      logger.warn({ instanceId, cellId, attempt, token }, 'draining: aborting an open attempt');
    }
    options.abortAttempts();
    await untilNoAttempts(options, ABORT_GRACE_MS);
  }
  await (stopped ?? leases.stop());
  return aborted;
}

/**
 * Releases every holding that runs no effect, and ends the session if none does. An attempt whose
 * intent is not definite does not prevent that: its effect is given up, and its request is answered
 * once this replica can no longer be the one that serves it when it is retried.
 */
export async function releaseUnbegun(
  leases: LeasesLifecycle,
  attempts: Attempts,
  why: string,
): Promise<void> {
  const running = attempts.all().filter(({ begun }) => begun);
  const released =
    running.length > 0
      ? releaseAllBut(leases, running, why)
      : leases.notLeading() === undefined
        ? leases.stepDown(why)
        : undefined;
  attempts.giveUp();
  await released;
}

/**
 * Releases every holding except those of the given attempts.
 *
 * @param headStartMs how long others have to replace the ended terms before they are released
 */
function releaseAllBut(
  leases: LeasesLifecycle,
  attempts: readonly AttemptInHand[],
  why: string,
  headStartMs?: number,
): Promise<void> {
  const busy = instancesOf(attempts);
  return leases.releaseAll((instanceId) => !busy.has(instanceId), why, headStartMs);
}

/** Releases every holding without an attempt; returns how many attempts there are. */
async function releaseIdle(options: DrainOptions, headStartMs?: number): Promise<number> {
  const attempts = options.attempts.all();
  await releaseAllBut(options.leases, attempts, 'draining', headStartMs);
  return attempts.length;
}

async function untilNoAttempts(options: DrainOptions, withinMs: number): Promise<void> {
  const over = new AbortController();
  const deadline = options.clock.sleep(withinMs, over.signal).then(() => 'deadline' as const);
  for (;;) {
    const attempts = options.attempts.all();
    if (attempts.length === 0) break;
    const ended = Promise.race(attempts.map(({ done }) => done));
    if ((await Promise.race([ended, deadline])) === 'deadline') break;
    // Requests that wait for this instance need not wait for the other attempts.
    void releaseIdle(options);
    announceLeaving(options);
  }
  over.abort();
}

/**
 * Announces what the others may replace at once: all that this replica holds without an attempt.
 */
function announceLeaving({ attempts, notes }: DrainOptions): void {
  notes.send({ note: 'leaving', busy: [...instancesOf(attempts.all())] });
}

function instancesOf(attempts: readonly AttemptInHand[]): Set<string> {
  return new Set(attempts.map(({ instanceId }) => instanceId));
}
