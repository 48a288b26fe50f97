import { decisionBy, lateOutcomeOf, unverifiedIn } from '../../advancer/run/evidence.ts';
import type { LateOutcome } from '../../advancer/log/log.ts';
import { failedAfterEffect, isRefusal, OUTCOMES, UNEXPECTED } from '../../src/execution/outcome.ts';
import type { NewRow } from '../../src/execution/row.ts';
import type { JsonObject } from '../../src/json.ts';

/** Every way in which an effect may end here: one for each line of the tables of outcomes. */
export type Ending =
  | 'completed'
  /** It succeeded, and its output cannot be stored. */
  | 'outputLost'
  /** It succeeded, but not as the cell expects. */
  | 'happened'
  /** It succeeded, and without its output nobody knows whether as the cell expects. */
  | 'unverified'
  | 'refused'
  | 'notBegun'
  | 'wrongReplica'
  | 'unknown';

/** What a row or a late outcome says of an attempt whose effect has ended for certain. */
export type Statement =
  'completed' | 'happened' | 'unverified' | 'refused' | 'notBegun' | 'not_started';

interface EndingLine {
  readonly row: 'completed' | 'failed' | 'interrupted';
  readonly body: JsonObject;
}

const LINES: Readonly<Record<Ending, EndingLine>> = {
  completed: OUTCOMES.succeeded,
  outputLost: { ...OUTCOMES.succeeded, body: { output: { outputLost: {} } } },
  happened: UNEXPECTED,
  unverified: { row: 'interrupted', body: { reason: 'unverified', happened: true } },
  refused: OUTCOMES.refused,
  notBegun: OUTCOMES.notBegun,
  wrongReplica: { row: 'interrupted', body: { ...OUTCOMES.wrongReplica.body, wrongReplica: true } },
  unknown: { row: 'interrupted', body: { reason: 'timeout' } },
};

const ENDINGS = Object.keys(LINES) as Ending[];

/** How an ending is recorded; see `proposeOutcome`. */
export function lineOf(ending: Ending): EndingLine {
  return LINES[ending];
}

/** What is certain once an effect has ended so; undefined if nothing is. */
export function statementOf(ending: Ending): Statement | undefined {
  return stated({ kind: LINES[ending].row, body: LINES[ending].body });
}

/** Whether the effect has happened; undefined if nobody knows. */
export function hasHappened(ending: Ending | undefined): boolean | undefined {
  switch (ending) {
    case 'completed':
    case 'outputLost':
    case 'happened':
    case 'unverified':
      return true;
    case 'refused':
    case 'notBegun':
    case 'wrongReplica':
      return false;
    case 'unknown':
    case undefined:
      return undefined;
  }
}

/** What a row says of its attempt; undefined if it leaves open how the effect ended. */
export function stated(row: Pick<NewRow, 'kind' | 'body'>): Statement | undefined {
  switch (row.kind) {
    case 'completed':
      return 'completed';
    case 'failed':
      if (failedAfterEffect(row)) return 'happened';
      return isRefusal(row) ? 'refused' : 'notBegun';
    case 'interrupted': {
      const { reason } = row.body;
      return reason === 'not_started' || reason === 'unverified' ? reason : undefined;
    }
    default:
      return undefined;
  }
}

/** The evidence in a row that the log refused, if there is any, by the real rule. */
export function evidenceIn(row: NewRow): Statement | undefined {
  return lateOutcomeOf(row) === undefined ? undefined : stated(row);
}

/** What the evidence about an attempt does to the doubt, by the real rules. */
export interface Heard {
  /** The decision that it makes; undefined if it makes none. */
  readonly decision: JsonObject | undefined;
  /** It says how the effect ended, and only a person can judge that. */
  readonly held: boolean;
  /** It says so, and that the effect happened. */
  readonly happened: boolean;
}

/** See {@link Heard}. */
export function heardFrom(late: readonly Statement[], keepsFlags = true): Heard {
  const evidence = late.map(lateOutcome);
  const unverified = unverifiedIn(evidence);
  const held = unverified !== undefined;
  const happened = unverified?.body['happened'] === true;
  const made = decisionBy(evidence);
  if (made === undefined) return { decision: undefined, held, happened };
  const { as, by, notBegun } = made;
  const flags = keepsFlags && {
    ...(notBegun && { notBegun }),
    ...(made.happened && { happened: true }),
  };
  return { decision: { as, by, ...flags }, held, happened };
}

function lateOutcome(statement: Statement): LateOutcome {
  const ending = ENDINGS.find((one) => statementOf(one) === statement);
  if (ending === undefined) throw new Error(`no effect ends as ${statement}`);
  const { row: kind, body } = LINES[ending];
  const late = lateOutcomeOf({
    instanceId: 'i',
    seq: 2,
    fencingToken: 1,
    replicaId: 'a1',
    kind,
    cellId: 'x',
    attempt: 1,
    requestId: null,
    agentId: null,
    body,
  });
  if (late === undefined) throw new Error(`${statement} is no evidence`);
  return late;
}
