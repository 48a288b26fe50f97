import { parseDurationMs } from '../../time/duration.ts';
import type { NextStep } from '../../execution/plan.ts';
import type { Row } from '../../execution/row.ts';
import type { Check } from '../check.ts';
import type { EndState } from '../walk.ts';

/** The steps at which nothing happens any more unless a person decides. */
const ENDS: readonly NextStep['do'][] = ['complete', 'cancelled', 'halt'];
/** How long one attempt may take when its cell does not say. */
const DEFAULT_TIMEOUT_MS = 300_000;
/** Much longer than the expiry of a lease, a takeover and a sweep take together. */
const GRACE_MS = 60_000;

/** Guarantee 4: nothing stays stuck after a crash. */
export const LIVENESS: readonly Check[] = [
  {
    name: 'stuck-instance',
    guarantee: 4,
    severity: 'breach',
    states: 'at the end of a run, no attempt is open, and only what needs a decision is in doubt',
    of: 'instances',
    needs: ['runbook', 'end of run'],
    look({ evidence: { rows, atRest, instanceId }, walk }, report) {
      if (walk.end === undefined) return 0;
      const { step } = walk.end;
      const seqs = rows.slice(-1).map(({ seq }) => seq);
      if (step.do === 'close') {
        report(seqs, `${step.open.cellId} attempt ${step.open.attempt} is still open`);
      } else if (step.do === 'settle' && needsNoPerson(walk.end)) {
        report(
          seqs,
          `${step.doubt.cellId} attempt ${step.doubt.attempt} is still in doubt, although it needs no person`,
        );
      } else if (atRest === 'ended' && !ENDS.includes(step.do)) {
        report(
          seqs,
          `${instanceId} did not reach its end: next is ${walk.end.nextCellId ?? 'nothing'}`,
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
      "no attempt is open for longer than its cell's timeout, and no doubt that needs no person waits",
    of: 'instances',
    needs: ['runbook', 'time'],
    look({ evidence: { rows, now = '' }, walk }, report) {
      const last = rows.at(-1);
      if (last === undefined || walk.end === undefined) return 1;
      const { step } = walk.end;
      const forMs = Date.parse(now) - Date.parse(last.recordedAt);
      const since = `since ${last.recordedAt}; is a replica running?`;
      if (step.do === 'close') {
        const timeoutMs = parseDurationMs(step.cell.timeout ?? '') ?? DEFAULT_TIMEOUT_MS;
        if (forMs > timeoutMs + GRACE_MS) {
          report(
            [last.seq],
            `${step.open.cellId} attempt ${step.open.attempt} has been open ${since}`,
          );
        }
      } else if (step.do === 'settle' && needsNoPerson(walk.end) && forMs > GRACE_MS) {
        report(
          [last.seq],
          `${step.doubt.cellId} attempt ${step.doubt.attempt} has been in doubt ${since}`,
        );
      }
      return 1;
    },
  },
  {
    name: 'unbegun-waits',
    guarantee: 4,
    severity: 'warning',
    states: 'after attempts whose effect never began, the next one waits as long as was decided',
    of: 'waits',
    needs: [],
    look({ evidence: { rows } }, report) {
      let waits = 0;
      rows.forEach((row, index) => {
        const before = rows[index - 1];
        const waitMs = before?.body['waitMs'];
        if (before === undefined || typeof waitMs !== 'number' || row.kind !== 'started') return;
        waits += 1;
        const waitedMs = Date.parse(row.recordedAt) - Date.parse(before.recordedAt);
        // Both times are the database's. Its clock is slewed by less than this.
        if (waitedMs >= waitMs * 0.95 - 10) return;
        report(
          [before.seq, row.seq],
          `${row.cellId} attempt ${row.attempt} came after ${waitedMs} ms and not ${waitMs} ms; was the database's clock set back?`,
        );
      });
      return waits;
    },
  },
  {
    name: 'projection-agrees',
    guarantee: 4,
    severity: 'warning',
    states: 'the line that list and the sweep read agrees with the log, within a minute',
    of: 'lines',
    needs: ['runbook', 'projection'],
    look({ evidence: { rows, projection, instance, instanceId, now }, walk }, report) {
      if (walk.end === undefined || instance === undefined) return 0;
      const seqs = rows.slice(-1).map(({ seq }) => seq);
      const fix = 'to rebuild it, run leasehold migrate --rebuild-projection';
      if (projection === undefined || projection === null) {
        report(seqs, `${instanceId} has no line in the projection; ${fix}`);
        return 1;
      }
      if (mayLag(projection, rows, walk.end, now)) return 1;
      const lastSeq = rows.at(-1)?.seq ?? 0;
      const { nextCellId, statuses } = walk.end;
      const faults = [
        projection.lastSeq === lastSeq ? '' : `last seq ${projection.lastSeq} and not ${lastSeq}`,
        statuses.includes(projection.status)
          ? ''
          : `${projection.status} and not ${statuses.join(' or ')}`,
        // A line without a cell makes no claim.
        projection.nextCellId === null || projection.nextCellId === nextCellId
          ? ''
          : `next cell ${projection.nextCellId} and not ${nextCellId ?? 'none'}`,
      ].filter((fault) => fault !== '');
      if (faults.length > 0) report(seqs, `the projection says ${faults.join(', ')}; ${fix}`);
      return 1;
    },
  },
];

/**
 * Whether the line says `running` because an attempt was under way just now: while an instance is
 * advanced again and again, its line is not rewritten. It is rewritten once the instance rests, or
 * after a crash by a sweep.
 */
function mayLag(
  line: { status: string; lastSeq: number },
  rows: readonly Row[],
  { statuses }: EndState,
  now: string | undefined,
): boolean {
  const last = rows.at(-1);
  if (
    last === undefined ||
    now === undefined ||
    Date.parse(now) - Date.parse(last.recordedAt) > GRACE_MS
  )
    return false;
  const underWay = statuses.includes('ready') || statuses.includes('running');
  return line.status === 'running' && line.lastSeq <= last.seq && underWay;
}

/**
 * Whether a replica settles the doubt without a person as soon as it sees it. A probe may be unable
 * to.
 */
function needsNoPerson({ policy }: EndState): boolean {
  return policy === 'rerun';
}
