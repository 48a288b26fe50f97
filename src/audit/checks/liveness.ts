import { parseDurationMs } from '../../time/duration.ts';
import type { Row } from '../../execution/row.ts';
import type { Check } from '../check.ts';
import type { Ending } from '../walk.ts';

/** How long one attempt may take when its cell does not say. */
const DEFAULT_TIMEOUT_MS = 300_000;
/** What a lease, a take-over and a sweep take together, with much to spare. */
const GRACE_MS = 60_000;

/** Guarantee 4: nothing stays as a crash left it. */
export const LIVENESS: readonly Check[] = [
  {
    name: 'stuck-instance',
    guarantee: 4,
    severity: 'breach',
    states: 'when all had its time, nothing is open, and in doubt is only what asks for a decision',
    of: 'instances',
    needs: ['runbook', 'end of run'],
    look({ evidence: { rows, atRest, instanceId }, walk }, say) {
      if (walk.end === undefined) return 0;
      const { step } = walk.end;
      const seqs = rows.slice(-1).map(({ seq }) => seq);
      if (step.do === 'close') {
        say(seqs, `${step.open.cellId} attempt ${step.open.attempt} is still open`);
      } else if (step.do === 'settle' && needsNobody(walk.end)) {
        say(
          seqs,
          `${step.doubt.cellId} attempt ${step.doubt.attempt} is still in doubt, which no person need settle`,
        );
      } else if (atRest === 'ended' && step.do !== 'complete' && step.do !== 'halt') {
        say(
          seqs,
          `${instanceId} did not come to its end: next is ${walk.end.nextCellId ?? 'nothing'}`,
        );
      }
      return 1;
    },
  },
  {
    name: 'open-for-long',
    guarantee: 4,
    severity: 'warning',
    states:
      "no attempt is open for longer than its cell's timeout, and no doubt waits that needs nobody",
    of: 'instances',
    needs: ['runbook', 'time'],
    look({ evidence: { rows, now = '' }, walk }, say) {
      const last = rows.at(-1);
      if (last === undefined || walk.end === undefined) return 1;
      const { step } = walk.end;
      const forMs = Date.parse(now) - Date.parse(last.recordedAt);
      const since = `since ${last.recordedAt}; is a replica running?`;
      if (step.do === 'close') {
        const timeoutMs = parseDurationMs(step.cell.timeout ?? '') ?? DEFAULT_TIMEOUT_MS;
        if (forMs > timeoutMs + GRACE_MS) {
          say(
            [last.seq],
            `${step.open.cellId} attempt ${step.open.attempt} has been open ${since}`,
          );
        }
      } else if (step.do === 'settle' && needsNobody(walk.end) && forMs > GRACE_MS) {
        say(
          [last.seq],
          `${step.doubt.cellId} attempt ${step.doubt.attempt} has been in doubt ${since}`,
        );
      }
      return 1;
    },
  },
  {
    name: 'projection-agrees',
    guarantee: 4,
    severity: 'warning',
    states: 'the line that listing and sweeping read says what the log says, within a minute',
    of: 'lines',
    needs: ['runbook', 'projection'],
    look({ evidence: { rows, projection, instance, instanceId, now }, walk }, say) {
      if (walk.end === undefined || instance === undefined) return 0;
      const seqs = rows.slice(-1).map(({ seq }) => seq);
      const mend = 'leasehold migrate --rebuild-projection mends it';
      if (projection === undefined || projection === null) {
        say(seqs, `${instanceId} has no line in the projection; ${mend}`);
        return 1;
      }
      if (restsSoon(projection, rows, walk.end, now)) return 1;
      const lastSeq = rows.at(-1)?.seq ?? 0;
      const { nextCellId, statuses } = walk.end;
      const faults = [
        projection.lastSeq === lastSeq ? '' : `last seq ${projection.lastSeq} and not ${lastSeq}`,
        statuses.includes(projection.status)
          ? ''
          : `${projection.status} and not ${statuses.join(' or ')}`,
        // A line that names no cell does not claim anything.
        projection.nextCellId === null || projection.nextCellId === nextCellId
          ? ''
          : `next cell ${projection.nextCellId} and not ${nextCellId ?? 'none'}`,
      ].filter((fault) => fault !== '');
      if (faults.length > 0) say(seqs, `the projection says ${faults.join(', ')}; ${mend}`);
      return 1;
    },
  },
];

/**
 * Whether the line still says `running` of an attempt that was under way just now: while an
 * instance is advanced over and over its line is not written anew, but once it rests, and after a
 * crash by a sweep.
 */
function restsSoon(
  line: { status: string; lastSeq: number },
  rows: readonly Row[],
  { statuses }: Ending,
  now: string | undefined,
): boolean {
  const last = rows.at(-1);
  if (
    last === undefined ||
    now === undefined ||
    Date.parse(now) - Date.parse(last.recordedAt) > GRACE_MS
  )
    return false;
  const mayLag = statuses.includes('ready') || statuses.includes('running');
  return line.status === 'running' && line.lastSeq <= last.seq && mayLag;
}

/**
 * Whether the doubt is settled without a person as soon as a replica looks at it. A probe may not
 * find it out.
 */
function needsNobody({ policy }: Ending): boolean {
  return policy === 'rerun';
}
