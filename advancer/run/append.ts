import { errorText } from '../../src/error-text.ts';
import { TroubleLog } from '../../src/trouble-log.ts';
import type { AppendEntry, AppendOutcome } from '../log/log.ts';
import type { RunContext } from './context.ts';

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;

/**
 * Appends until the answer is definite.
 *
 * A missing answer means *unknown*, not *failed*: the entry may be in the log, absent, or still on
 * its way. So the same entry is sent again, never renumbered, until the log says what became of it.
 * Only the end of the process stops this.
 *
 * A process that cannot reach Postgres for long ends its session, so that others may close the
 * attempts it has in hand; what it knows becomes a late outcome later.
 *
 * If the log refuses the entry and nothing explains why, an invariant is broken: the process
 * crashes loudly, and others recover what it had in hand.
 */
export async function appendUntilDefinite(
  context: RunContext,
  entry: AppendEntry,
): Promise<Exclude<AppendOutcome, { kind: 'unknown' }>> {
  const { clock, leases, log, logger } = context;
  const since = clock.monotonicMs();
  let steppedDown = false;
  let unanswered: TroubleLog | undefined;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2)) {
    let outcome: AppendOutcome;
    try {
      outcome = await log.append(entry);
    } catch (cause) {
      return context.crash(cause);
    }
    if (outcome.kind !== 'unknown') {
      unanswered?.end();
      return outcome;
    }
    context.count({ what: 'unknown_append' });
    context.logTrouble(outcome.cause);
    // Rounded, so that a time-out as long as a TTL does not exceed it by a rounding error.
    const forMs = Math.round(clock.monotonicMs() - since);
    unanswered ??= new TroubleLog({
      clock,
      logger,
      happens: 'append unanswered, sending the same rows again',
      over: 'append answered',
    });
    const { instanceId } = entry;
    unanswered.add(errorText(outcome.cause), { instanceId, err: outcome.cause });
    if (!steppedDown && forMs > context.stepDownAfterMs) {
      steppedDown = true;
      await leases.stepDown(`Postgres has not answered for ${forMs} ms with an attempt in hand`);
    }
    await clock.sleep(pauseMs);
  }
}
