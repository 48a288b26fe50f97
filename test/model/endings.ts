import { decisionBy, lateOutcomeOf, ownWord, unverifiedIn } from '../../advancer/run/evidence.ts';
import type { LateOutcome } from '../../advancer/log/log.ts';
import { failedAfterEffect, isRefusal, OUTCOMES, UNEXPECTED } from '../../src/execution/outcome.ts';
import type { NewRow } from '../../src/execution/row.ts';
import type { OpenAttempt } from '../../src/execution/state.ts';
import type { JsonObject } from '../../src/json.ts';
import { PROTOCOL, type Rules } from './rules.ts';
import type { Late } from './late.ts';

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
  /** What is believed. */
  readonly statements: readonly Statement[];
  /** The decision that it makes; undefined if it makes none. */
  readonly decision: JsonObject | undefined;
  /** It says how the effect ended, and only a person can judge that. */
  readonly held: boolean;
  /** It says so, and that the effect happened. */
  readonly happened: boolean;
}

/**
 * See {@link Heard}.
 *
 * @param opened by whom, and in which term: the attempt of the doubt
 */
export function heardFrom(
  late: readonly Late[],
  opened: Pick<OpenAttempt, 'replicaId' | 'fencingToken'> | undefined,
  rules: Pick<Rules, 'ownWordOnly' | 'evidenceKeepsFlags'> = PROTOCOL,
): Heard {
  const written = late.map(lateOutcome);
  const evidence = rules.ownWordOnly ? ownWord(written, opened) : written;
  const believed = late.filter((_, index) => evidence.includes(written[index]!));
  const statements = believed.map(({ states }) => states);
  const unverified = unverifiedIn(evidence);
  const held = unverified !== undefined;
  const happened = unverified?.body['happened'] === true;
  const made = decisionBy(evidence);
  if (made === undefined) return { statements, decision: undefined, held, happened };
  const { as, by, notBegun } = made;
  const flags = rules.evidenceKeepsFlags && {
    ...(notBegun && { notBegun }),
    ...(made.happened && { happened: true }),
  };
  return { statements, decision: { as, by, ...flags }, held, happened };
}

function lateOutcome({ states, replicaId, token }: Late): LateOutcome {
  const ending = ENDINGS.find((one) => statementOf(one) === states);
  if (ending === undefined) throw new Error(`no effect ends as ${states}`);
  const { row: kind, body } = LINES[ending];
  const late = lateOutcomeOf({
    instanceId: 'i',
    seq: 2,
    fencingToken: token,
    replicaId,
    kind,
    cellId: 'x',
    attempt: 1,
    requestId: null,
    agentId: null,
    body,
  });
  if (late === undefined) throw new Error(`${states} is no evidence`);
  return late;
}
