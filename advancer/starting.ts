import { errorText } from '../src/error-text.ts';
import type { Logger } from '../src/logger.ts';
import { systemClock } from '../src/time/clock.ts';
import { TroubleLog } from '../src/trouble-log.ts';
import { PermanentMismatch } from './log/schema-check.ts';
import { readinessChecks, type ReadinessCheck } from './readiness.ts';
import type { Replica } from './replica.ts';

/** What is there before NATS is connected, which is asked for first. */
export function checksWithoutBus(logTrouble: string | undefined): ReadinessCheck[] {
  const notLeading = 'no session in etcd yet';
  return readinessChecks({ draining: false, connected: false, logTrouble, notLeading, needs: [] });
}

/** How {@link untilLogUsable} opens the log. */
export interface LogOpening {
  open: () => Promise<void>;
  stop: AbortSignal;
  logger: Logger;
  /** Receives why the log is not open, and undefined once it is. */
  notOpen: (why: string | undefined) => void;
}

/**
 * Waits until the log can be used, and says meanwhile why it cannot, in readiness at once and in
 * the log from time to time: Postgres may be down, a standby, or not migrated yet. Until then
 * nothing is taken in: the log may belong to another namespace.
 *
 * @throws PermanentMismatch when waiting will not help
 */
export async function untilLogUsable({ open, stop, logger, notOpen }: LogOpening): Promise<void> {
  const trouble = new TroubleLog({
    clock: systemClock,
    logger,
    happens: 'Postgres cannot be used yet',
    over: 'Postgres can be used',
  });
  while (!stop.aborted) {
    try {
      await open();
      notOpen(undefined);
      trouble.end();
      return;
    } catch (cause) {
      if (cause instanceof PermanentMismatch) throw cause;
      const why = errorText(cause);
      notOpen(why);
      trouble.add(why, { err: cause });
      await systemClock.sleep(500, stop);
    }
  }
}

/** A replica that starts is mostly ready after this many looks. */
const USUAL_WAITS = 20;

/** Waits until the replica can serve, and logs from time to time what it waits for. */
export async function untilReady(
  replica: Replica,
  stop: AbortSignal,
  logger: Logger,
): Promise<void> {
  const trouble = new TroubleLog({ clock: systemClock, logger, happens: 'not ready yet' });
  for (let waits = 0; ; waits += 1) {
    const reasons = replica.notReady();
    if (reasons.length === 0 || stop.aborted) return;
    if (waits >= USUAL_WAITS) trouble.add(reasons.join('; '), { reasons });
    await systemClock.sleep(100, stop);
  }
}
