import { sameJson, type Json } from '../json.ts';
import type { OutcomeClass } from '../execution/outcome.ts';
import { isLostOutput } from './lost-output.ts';
import { fill, type Scope } from './placeholder.ts';
import { pointerGet } from './pointer.ts';
import type { Expectation } from './effect.ts';

/** What was observed of an effect with a definite outcome. */
export interface Observed {
  /** What is known of the effect. */
  class: Extract<OutcomeClass, 'succeeded' | 'refused' | 'notBegun'>;
  /** Of a command. */
  exitCode?: number | undefined;
  /** Of an http response. */
  status?: number | undefined;
  /**
   * The message of a handler's error, an exit code other than 0, a status outside 2xx, or a refused
   * connection.
   */
  error?: string | undefined;
  /** May stand for an output that was lost. */
  output?: Json | undefined;
}

/** Whether an outcome was the expected one. */
export type Judgement =
  | { ok: true }
  /** Each condition that did not hold. */
  | { ok: false; failed: string[] }
  /** Each condition that could not be evaluated, because the output was lost; the others hold. */
  | { ok: 'unknown'; unevaluated: string[] };

/**
 * Judges a definite outcome.
 *
 * With expectations, it is as expected if and only if every one of them holds, so a predicted
 * failure passes. Without, the effect must have succeeded.
 */
export function judge(expectations: Expectation[] | undefined, observed: Observed): Judgement {
  if (expectations === undefined) {
    if (observed.class === 'succeeded') return { ok: true };
    return { ok: false, failed: [observed.error ?? observed.class] };
  }
  const lost = isLostOutput(observed.output) ? observed.output.outputLost : undefined;
  const failed: string[] = [];
  const unevaluated: string[] = [];
  for (const one of expectations) {
    if (lost !== undefined && 'pointer' in one)
      unevaluated.push(`${place(one.pointer)} could not be checked, it was lost: ${lost.why}`);
    else failed.push(...unmet(one, observed));
  }
  if (failed.length > 0) return { ok: false, failed };
  return unevaluated.length > 0 ? { ok: 'unknown', unevaluated } : { ok: true };
}

/** The expectations with the placeholders in their `equals` filled. */
export function fillExpectations(
  expectations: Expectation[],
  scope: Scope,
): { ok: true; expectations: Expectation[] } | { ok: false; message: string } {
  const filled: Expectation[] = [];
  for (const expectation of expectations) {
    if (!('equals' in expectation)) {
      filled.push(expectation);
      continue;
    }
    const equals = fill(expectation.equals, scope);
    if (!equals.ok) return equals;
    filled.push({ ...expectation, equals: equals.value });
  }
  return { ok: true, expectations: filled };
}

function unmet(expectation: Expectation, observed: Observed): string[] {
  if ('exitCode' in expectation) {
    return met('exit code', expectation.exitCode, observed.exitCode, observed.error);
  }
  if ('status' in expectation)
    return met('status', expectation.status, observed.status, observed.error);
  if ('errorIncludes' in expectation) {
    const wanted = JSON.stringify(expectation.errorIncludes);
    if (observed.error === undefined)
      return [`an error that includes ${wanted} was expected, but there was none`];
    if (observed.error.includes(expectation.errorIncludes)) return [];
    return [`an error that includes ${wanted} was expected, but it was: ${observed.error}`];
  }
  // Without an output even `exists: false` does not hold: there is nothing to verify it against.
  if (observed.output === undefined) {
    return [
      `${place(expectation.pointer)} could not be checked: ${observed.error ?? 'there was no output'}`,
    ];
  }
  const target = pointerGet(observed.output, expectation.pointer);
  if ('exists' in expectation) {
    if (target.found === expectation.exists) return [];
    return [
      `${place(expectation.pointer)} was expected ${expectation.exists ? 'to exist' : 'not to exist'}`,
    ];
  }
  const wanted = brief(expectation.equals);
  if (!target.found)
    return [`${place(expectation.pointer)} was expected to be ${wanted}, but does not exist`];
  if (sameJson(target.value, expectation.equals)) return [];
  return [
    `${place(expectation.pointer)} was expected to be ${wanted}, but is ${brief(target.value)}`,
  ];
}

function met(
  what: string,
  wanted: number,
  seen: number | undefined,
  error: string | undefined,
): string[] {
  if (seen === wanted) return [];
  const instead = seen === undefined ? 'there was none' : `it was ${seen}`;
  return [
    `${what} ${wanted} was expected, but ${instead}${error === undefined ? '' : ` (${error})`}`,
  ];
}

function place(pointer: string): string {
  return pointer === '' ? 'the output' : `output ${pointer}`;
}

function brief(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
