import type { Attempt } from '../random-cells/attribution.ts';
import { allAttempts } from './ending-rules.ts';
import type { Evidence } from './evidence.ts';
import { acted, type Arrival } from './receiver.ts';
import type { Report } from './rules.ts';

/** How much earlier than its intent an effect may seem to be: whole milliseconds of one clock. */
const SLACK_MS = 5;

/** What the receiver witnessed, against the attempts in the log. */
export function effectRules(
  evidence: Evidence,
  breach: Report,
  seen: (what: string) => void,
): void {
  const { arrivals, rows, life } = evidence;
  const attempts = allAttempts(rows);
  for (const arrival of arrivals) {
    const { cellId, token, atMs, key } = arrival;
    const mine = attempts.filter((attempt) => isOf(attempt, arrival));
    const first = Math.min(...mine.map(({ started }) => started.recordedAtMs));
    if (mine.length === 0)
      breach('intent-first', `nothing explains an effect of ${cellId} (token ${token}, ${key})`);
    else if (atMs + SLACK_MS < first)
      breach('intent-first', `an effect of ${cellId} is ${first - atMs} ms before its intent`);
    const { length } = arrivals.filter((other) => other.key === key && other.token === token);
    const ran = mine.filter((attempt) => !isNotStarted(attempt));
    if (length > ran.length && mine.length > 0)
      breach('one-effect-per-attempt', `${length} effects of ${ran.length} attempts: ${key}`);
    const cell = life.cells.find(({ id }) => id === cellId);
    if (cell?.type === 'effect' && cell.skipped)
      breach('skipped-never-ran', `${cellId} has an effect`);
  }
  for (const attempt of attempts) {
    const happened = arrivals.some((one) => one.key === attempt.key && acted(one));
    const kind = attempt.closing?.kind;
    const body: Record<string, unknown> = attempt.closing?.body ?? {};
    const { cellId, attempt: nth } = attempt.started;
    if (kind === 'completed' && !happened)
      breach('completed-means-happened', `${cellId} ${nth} is completed, and nothing arrived`);
    if (kind === 'failed' && body['happened'] !== true && happened)
      breach('failed-means-not-happened', `${cellId} ${nth} is failed, and it happened`);
    if (kind === 'interrupted') seen(`interrupted: ${String(body['reason'])}`);
  }
  checkFreezes(evidence, attempts, breach, seen);
}

/**
 * A process that was frozen right before an effect, and another term has closed the attempt since:
 * the effect must never arrive under its token.
 */
function checkFreezes(
  { freezes, arrivals }: Evidence,
  attempts: readonly Attempt[],
  breach: Report,
  seen: (what: string) => void,
): void {
  for (const { cellId, replicaId, fromMs, toMs } of freezes) {
    const frozen = attempts.findLast(
      ({ started }) =>
        started.cellId === cellId &&
        started.replicaId === replicaId &&
        started.recordedAtMs <= fromMs + SLACK_MS,
    );
    if (frozen?.closing === undefined) continue;
    const { closing, started } = frozen;
    if (closing.token === started.token || closing.recordedAtMs > toMs) continue;
    seen('taken over from a frozen holder before its effect');
    const late = arrivals.filter((arrival) => isOf(frozen, arrival) && arrival.atMs >= fromMs);
    if (late.length > 0)
      breach('frozen-begins-nothing', `${cellId} has an effect of a term that was over`);
  }
}

function isOf({ key, started }: Attempt, arrival: Arrival): boolean {
  return (
    key === arrival.key && started.token === arrival.token && started.cellId === arrival.cellId
  );
}

function isNotStarted({ closing }: Attempt): boolean {
  return closing?.kind === 'interrupted' && closing.body['reason'] === 'not_started';
}
