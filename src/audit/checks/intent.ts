import { chainBreach } from '../../execution/chain.ts';
import type { Row } from '../../execution/row.ts';
import { attemptOf, seqsOf } from '../attempts.ts';
import type { Check } from '../check.ts';
import { withoutReserved } from '../reserved.ts';

/** Guarantee 1: no effect before its intent, and never two attempts open. */
export const INTENT: readonly Check[] = [
  {
    name: 'chain-unbroken',
    guarantee: 1,
    severity: 'breach',
    states: 'every row directly follows a row that it may follow, from seq 1 and without a gap',
    of: 'rows',
    needs: [],
    look({ evidence }, report) {
      const rows = withoutReserved(evidence.rows, evidence.runbook);
      rows.forEach((row, index) => {
        const before = rows[index - 1];
        if (row.seq !== (before?.seq ?? 0) + 1) {
          report(
            seqsOf(before, row),
            `seq ${row.seq} is in the place of ${(before?.seq ?? 0) + 1}`,
          );
          return;
        }
        if (!Number.isSafeInteger(row.fencingToken)) {
          report([row.seq], `token ${row.fencingToken} is not an exact number`);
        }
        // Only the order of kinds: another check reports a token that goes back.
        const stale = before !== undefined && row.fencingToken < before.fencingToken;
        const broken = chainBreach(
          stale ? { ...before, fencingToken: row.fencingToken } : before,
          row,
        );
        if (broken !== undefined) report(seqsOf(before, row), broken.detail);
      });
      return rows.length;
    },
  },
  {
    name: 'one-open-attempt',
    guarantee: 1,
    severity: 'breach',
    states: 'nothing begins or is cancelled while an attempt is open',
    of: 'beginnings',
    needs: [],
    look({ evidence: { rows } }, report) {
      let open: Row | undefined;
      let beginnings = 0;
      for (const row of rows) {
        const closes = row.cellId === open?.cellId && row.attempt === open.attempt;
        switch (row.kind) {
          case 'started':
          case 'satisfied':
          case 'refuted':
          case 'skipped':
          case 'unwinding':
          case 'cancelled':
            beginnings += 1;
            if (open !== undefined) {
              report(
                seqsOf(open, row),
                `${row.kind} ${name(row)} came while ${name(open)} was open`,
              );
            }
            if (row.kind === 'started') open = row;
            break;
          case 'completed':
          case 'failed':
          case 'interrupted':
            if (closes) open = undefined;
            break;
          case 'decided':
            break;
        }
      }
      return beginnings;
    },
  },
  {
    name: 'intent-before-outcome',
    guarantee: 1,
    severity: 'breach',
    states: 'an outcome or interruption comes after the started row of its attempt',
    of: 'outcomes',
    needs: [],
    look({ attempts }, report) {
      let outcomes = 0;
      for (const attempt of attempts) {
        const first = attempt.started[0];
        for (const row of attempt.closings) {
          outcomes += 1;
          if (first === undefined || first.seq > row.seq) {
            report(seqsOf(row, first), `${row.kind} ${name(attempt)} has no intent before it`);
          }
        }
      }
      return outcomes;
    },
  },
  {
    name: 'intent-before-effect',
    guarantee: 1,
    severity: 'breach',
    states: 'an effect that was seen has an earlier intent in the log, under the same token',
    of: 'effects',
    needs: ['witness'],
    look({ evidence: { witness = [], witnessSkewMs = 0 }, attempts }, report) {
      for (const effect of witness) {
        const started = attemptOf(attempts, effect)?.started[0];
        const seen = `the effect of ${name(effect)} (token ${effect.fencingToken}, seen ${effect.at})`;
        if (started === undefined) report([], `${seen} was run without its intent`);
        else if (started.fencingToken !== effect.fencingToken) {
          report(
            [started.seq],
            `${seen} was run under another token than its intent, which has ${started.fencingToken}`,
          );
        } else if (Date.parse(started.recordedAt) > Date.parse(effect.at) + witnessSkewMs) {
          report([started.seq], `${seen} ran before its intent, recorded at ${started.recordedAt}`);
        }
      }
      return witness.length;
    },
  },
];

function name({ cellId, attempt }: { cellId: string; attempt: number }): string {
  return `${cellId} attempt ${attempt}`;
}
