import type { AppendEntry, AppendOutcome } from '../log/log.ts';
import type { RunContext } from './context.ts';

/** An append's answer that can no longer change. */
export type Definite = Exclude<AppendOutcome, { kind: 'unknown' }>;

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

/**
 * Appends until the answer is definite.
 *
 * A lost answer says nothing: the entry may be in the log, absent, or still on its way. So the very
 * same entry is sent again, never renumbered, until the log says what became of it. It gives up
 * only with the process.
 *
 * A process that cannot reach Postgres for long ends its session, so that others may close what it
 * has in hand; what it knows becomes a late outcome later.
 *
 * An append that the log refuses for a reason that cannot be is a broken invariant: the process
 * crashes loudly, and others recover what it had in hand.
 */
export async function appendDefinitely(context: RunContext, entry: AppendEntry): Promise<Definite> {
  const { clock, leases, log, logger } = context;
  const since = clock.monotonicMs();
  let steppedDown = false;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
    let outcome: AppendOutcome;
    try {
      outcome = await log.append(entry);
    } catch (cause) {
      return context.crash(cause);
    }
    if (outcome.kind !== 'unknown') return outcome;
    context.count({ what: 'unknown_append' });
    context.logTrouble(outcome.cause);
    // Whole milliseconds: a time-out that is as long as a TTL is not longer than one by a rounding
    // error.
    const forMs = Math.round(clock.monotonicMs() - since);
    const { instanceId } = entry;
    logger.warn(
      { instanceId, forMs, err: outcome.cause },
      'append unknown, sending the same rows again',
    );
    if (!steppedDown && forMs > context.stepDownAfterMs) {
      steppedDown = true;
      await leases.stepDown(`Postgres has not answered for ${forMs} ms with an attempt in hand`);
    }
    await clock.sleep(pauseMs);
  }
}
