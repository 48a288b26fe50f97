import { isRefusal } from '../../execution/outcome.ts';
import type { Row } from '../../execution/row.ts';
import { seqsOf } from '../attempts.ts';
import type { Check } from '../check.ts';
import type { SeenEffect } from '../evidence.ts';

/** Guarantee 6: what the log says of an outcome is what happened. */
export const OUTCOME_CHECKS: readonly Check[] = [
  {
    name: 'failed-of-one-class',
    guarantee: 6,
    severity: 'breach',
    states: 'a failure says of its effect that it happened or that it never began, not both',
    of: 'failures',
    needs: [],
    look({ evidence: { rows } }, report) {
      const failures = rows.filter(isFailure);
      for (const { seq, cellId, attempt, body } of failures) {
        for (const flag of ['happened', 'notBegun']) {
          const value = body[flag];
          if (value !== undefined && value !== true)
            report([seq], `${cellId} attempt ${attempt}: ${flag} is ${JSON.stringify(value)}`);
        }
        if (body['happened'] === true && body['notBegun'] === true)
          report([seq], `${cellId} attempt ${attempt} happened, and never began`);
      }
      return failures.length;
    },
  },
  {
    name: 'failed-effect-did-not-happen',
    guarantee: 6,
    severity: 'breach',
    states: 'the effect of an attempt that failed did not happen, unless the log says that it did',
    of: 'failures',
    needs: ['witness'],
    look({ evidence: { rows, witness = [] } }, report) {
      const failures = rows.filter(isFailure).filter((row) => !decidedByAgent(row));
      for (const { seq, cellId, attempt, body } of failures) {
        if (body['happened'] === true) continue;
        const seen = witness.find(
          (effect) => effect.cellId === cellId && effect.attempt === attempt,
        );
        if (seen?.happened === true)
          report([seq], `${cellId} attempt ${attempt} failed, but its effect happened`);
        else if (seen !== undefined && body['notBegun'] === true)
          report([seq], `${cellId} attempt ${attempt} never began, but its effect was seen`);
      }
      return failures.length;
    },
  },
  {
    name: 'happened-under-one-key',
    guarantee: 3,
    severity: 'breach',
    states:
      'the effects of a cell that happened have one idempotency key, unless the receiver refused the one before, or an agent decided so',
    of: 'effects that happened',
    needs: ['witness'],
    look({ evidence: { rows, witness = [] } }, report) {
      const happened = witness.filter((effect) => effect.happened === true);
      for (const cellId of new Set(happened.map((effect) => effect.cellId))) {
        const overruled = rows.some(
          (row) => row.cellId === cellId && isRefusal(row) && decidedByAgent(row),
        );
        const ofCell = witness.filter((effect) => effect.cellId === cellId);
        const keys = [...new Set(happened.filter((one) => ofCell.includes(one)).map(keyOf))];
        const refused = new Set(ofCell.filter((one) => one.happened === false).map(keyOf));
        if (keys.filter((key) => !refused.has(key)).length > 1 && !overruled) {
          const started = rows.filter((row) => row.kind === 'started' && row.cellId === cellId);
          report(seqsOf(...started), `${cellId} happened under ${keys.join(' and ')}`);
        }
      }
      return happened.length;
    },
  },
];

function keyOf({ idempotencyKey }: SeenEffect): string {
  return idempotencyKey;
}

function isFailure({ kind, body }: Row): boolean {
  return kind === 'failed' || (kind === 'decided' && body['as'] === 'failed');
}

/** Agents may be wrong about what happened. */
function decidedByAgent({ kind, body: { by } }: Row): boolean {
  return kind === 'decided' && typeof by === 'string' && !by.startsWith('@');
}
