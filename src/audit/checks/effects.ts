import type { Row } from '../../execution/row.ts';
import { attemptOf, seqsOf, type Attempt } from '../attempts.ts';
import type { Check } from '../check.ts';
import type { SeenEffect } from '../evidence.ts';

/** Guarantees 3 and 6, as a witness outside the system sees them. */
export const EFFECTS: readonly Check[] = [
  {
    name: 'effect-seen-once',
    guarantee: 3,
    severity: 'breach',
    states: "an attempt's effect is seen at most once",
    of: 'effects',
    needs: ['witness'],
    look({ evidence: { witness = [] }, attempts }, report) {
      for (const effects of grouped(witness, ({ cellId, attempt }) => `${cellId}/${attempt}`)) {
        const [first] = effects;
        if (first === undefined || effects.length === 1) continue;
        const times = effects.length === 2 ? 'twice' : `${effects.length} times`;
        const started = attemptOf(attempts, first)?.started ?? [];
        report(
          seqsOf(...started),
          `${first.cellId} attempt ${first.attempt} was run ${times}: ${effects.map(sighting).join('; ')}`,
        );
      }
      return witness.length;
    },
  },
  {
    name: 'key-repeated-only-after-rerun',
    guarantee: 3,
    severity: 'breach',
    states:
      'an idempotency key is seen in a later attempt only if the log decided rerun for the one before',
    of: 'keys',
    needs: ['witness'],
    look({ evidence: { witness = [] }, attempts }, report) {
      const keys = grouped(witness, ({ idempotencyKey }) => idempotencyKey);
      for (const effects of keys) {
        const seen = [
          ...new Map(
            effects.map((effect) => [`${effect.cellId}/${effect.attempt}`, effect]),
          ).values(),
        ];
        seen.sort((a, b) => a.attempt - b.attempt);
        seen.slice(1).forEach((effect, index) => {
          const before = seen[index];
          if (before === undefined) return;
          const earlier = attemptOf(attempts, before);
          if (before.cellId === effect.cellId && earlier !== undefined && wasRerun(earlier)) return;
          report(
            seqsOf(...(earlier?.started ?? []), ...(attemptOf(attempts, effect)?.started ?? [])),
            `key ${effect.idempotencyKey} was seen in ${before.cellId} attempt ${before.attempt} and in ${effect.cellId} attempt ${effect.attempt}, but the log has no rerun decision in between`,
          );
        });
      }
      return keys.length;
    },
  },
  {
    name: 'effect-under-its-own-key',
    guarantee: 3,
    severity: 'breach',
    states: 'an effect that was seen has the idempotency key of its intent',
    of: 'effects',
    needs: ['witness'],
    look({ evidence: { witness = [] }, attempts }, report) {
      let effects = 0;
      for (const effect of witness) {
        const started = attemptOf(attempts, effect)?.started[0];
        if (started === undefined) continue;
        const due = started.body['idempotencyKey'];
        effects += 1;
        if (due !== effect.idempotencyKey) {
          report(
            [started.seq],
            `${effect.cellId} attempt ${effect.attempt} was seen with key ${effect.idempotencyKey}, its intent has ${JSON.stringify(due)}`,
          );
        }
      }
      return effects;
    },
  },
  {
    name: 'not-started-never-ran',
    guarantee: 6,
    severity: 'breach',
    states: 'an effect that never began, according to the log, was not seen',
    of: 'attempts that never began',
    needs: ['witness'],
    look({ evidence: { witness = [] }, attempts }, report) {
      let count = 0;
      for (const attempt of attempts) {
        const row = neverBegan(attempt);
        if (row === undefined) continue;
        count += 1;
        const { cellId } = attempt;
        const seen = witness.find(
          (effect) => effect.cellId === cellId && effect.attempt === attempt.attempt,
        );
        if (seen === undefined) continue;
        report(
          [row.seq],
          `${cellId} attempt ${attempt.attempt} was run (${sighting(seen)}), but the log says that it never began`,
        );
      }
      return count;
    },
  },
  {
    name: 'outcome-was-kept',
    guarantee: 6,
    severity: 'breach',
    states: 'what an effect returned to a live process is in the log or kept as a late outcome',
    of: 'outcomes',
    needs: ['witness'],
    look({ evidence: { witness = [], lateOutcomes }, attempts }, report) {
      let outcomes = 0;
      for (const { cellId, attempt, outcome } of witness) {
        if (outcome === undefined) continue;
        outcomes += 1;
        const found = attemptOf(attempts, { cellId, attempt });
        const inLog = found?.closings.some((row) => outcomeIn(row) === outcome) ?? false;
        const kept = lateOutcomes.some(
          (late) => late.cellId === cellId && late.attempt === attempt,
        );
        if (!inLog && !kept)
          report(
            seqsOf(...(found?.started ?? [])),
            `${cellId} attempt ${attempt}: ${outcome} was lost`,
          );
      }
      return outcomes;
    },
  },
  {
    name: 'outcome-has-its-effect',
    guarantee: 6,
    severity: 'warning',
    states:
      'an effect that completed, according to the log, was seen, if the witness sees every effect',
    of: 'completed attempts',
    needs: ['witness'],
    look({ evidence: { witness = [] }, attempts }, report) {
      let count = 0;
      for (const { cellId, attempt, closings } of attempts) {
        const row = closings.find(({ kind }) => kind === 'completed');
        if (row === undefined) continue;
        count += 1;
        if (witness.some((effect) => effect.cellId === cellId && effect.attempt === attempt))
          continue;
        report(
          [row.seq],
          `completed ${cellId} attempt ${attempt}, but the witness saw no such effect`,
        );
      }
      return count;
    },
  },
];

/** The outcome that a closing row records; undefined if it records none. */
function outcomeIn({ kind, body }: Row): string | undefined {
  if (kind === 'completed' || kind === 'failed') return kind;
  return kind === 'interrupted' && body['reason'] === 'unverified' ? 'unverified' : undefined;
}

function wasRerun({ decisions }: Attempt): boolean {
  return decisions.some(({ body }) => body['as'] === 'rerun');
}

/** The row by which the process itself, at once or later, said that the effect never began. */
function neverBegan({ closings, decisions }: Attempt) {
  return (
    closings.find(({ kind, body }) => kind === 'interrupted' && body['reason'] === 'not_started') ??
    decisions.find(({ body }) => body['as'] === 'rerun' && body['by'] === '@late-outcome')
  );
}

function sighting({ at, fencingToken }: SeenEffect): string {
  return `${at} under token ${fencingToken}`;
}

function grouped(
  effects: readonly SeenEffect[],
  key: (effect: SeenEffect) => string,
): SeenEffect[][] {
  const groups = new Map<string, SeenEffect[]>();
  for (const effect of effects) {
    const name = key(effect);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [effect]);
    else group.push(effect);
  }
  return [...groups.values()];
}
