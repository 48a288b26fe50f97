import { sameJson, type Json, type JsonObject } from '../json.ts';
import { demandOf, type Check, type Demand, type Operator } from './checks.ts';
import { lostAlong } from './lost-output.ts';
import { findsMatch, MatchBudget, TextTooLong } from './pattern.ts';
import { fill, type Filled } from './placeholder.ts';
import { pointerGet, pointerKeys, type Found } from './pointer.ts';

/** One condition and its result, as recorded in the log. */
export interface SeenCheck extends JsonObject {
  held: boolean;
}

/** The verdict of a list of checks. */
export interface Verdict {
  /** Whether every check holds. */
  held: boolean;
  /**
   * Why the verdict is open: a check could not be evaluated, and all others hold. Undefined if the
   * checks hold, or if one of them does not.
   */
  fault: string | undefined;
  /**
   * Each check as written, with placeholders filled: also `actual` (absent if there is no such
   * value), `held`, and `error` if it could not be evaluated.
   */
  seen: SeenCheck[];
}

/**
 * Evaluates the checks of an assert or of a `when`. Pure: the same inputs and outputs give the same
 * verdict on every replica.
 */
export function evaluateChecks(
  checks: readonly Check[],
  outputs: JsonObject,
  inputs: JsonObject = {},
): Verdict {
  const budget = new MatchBudget();
  const seen = checks.map((check) => evaluate(check, { inputs, outputs }, budget));
  const held = seen.every((one) => one.held);
  const isRefuted = seen.some((one) => !one.held && one['error'] === undefined);
  const errors = seen.flatMap(({ error }) => (typeof error === 'string' ? [error] : []));
  return { held, fault: isRefuted ? undefined : errors[0], seen };
}

interface Values {
  inputs: JsonObject;
  outputs: JsonObject;
}

function evaluate(check: Check, values: Values, budget: MatchBudget): SeenCheck {
  const demand = demandOf(check);
  const { operator, operand, negated } = demand;
  const subject: JsonObject =
    'cell' in check ? { cell: check.cell, pointer: check.pointer } : { input: check.input };
  const { found, lost } = lookUp(check, values);
  const seen = (shown: Json): JsonObject => ({
    ...subject,
    ...(negated ? { not: { [operator]: shown } } : { [operator]: shown }),
    ...(found.found ? { actual: found.value } : {}),
  });
  if (lost !== undefined) return { ...seen(operand), held: false, error: lost };
  const filled = fillOperand(demand, values);
  if (!filled.ok) return { ...seen(operand), held: false, error: filled.message };
  const met = isMet({ ...demand, operand: filled.value }, found, budget);
  return typeof met === 'boolean'
    ? { ...seen(filled.value), held: met }
    : { ...seen(filled.value), held: false, error: met.error };
}

/** The value that a check looks at. */
function lookUp(check: Check, { inputs, outputs }: Values): { found: Found; lost?: string } {
  if ('input' in check) return { found: pointerGet(inputs, check.input) };
  const { cell, pointer } = check;
  if (!Object.hasOwn(outputs, cell)) return { found: { found: false } };
  const output = outputs[cell];
  const gone = lostAlong(output, pointerKeys(pointer));
  if (gone !== undefined) {
    const lost = `the output of ${cell} was lost: ${gone.outputLost.why}`;
    return { found: { found: false }, lost };
  }
  return { found: pointerGet(output, pointer) };
}

function fillOperand({ operator, operand }: Demand, scope: Values): Filled {
  // A pattern is fixed: a value must not become a part of a regular expression.
  if (operator === 'matches') return { ok: true, value: operand };
  const filled = fill(operand, scope);
  if (!filled.ok) return filled;
  const { value } = filled;
  if (operator === 'in' && !Array.isArray(value))
    return { ok: false, message: `in is ${kindOf(value)}, not a list` };
  if ((operator === 'atLeast' || operator === 'atMost') && typeof value !== 'number')
    return { ok: false, message: `${operator} is ${kindOf(value)}, not a number` };
  return filled;
}

/** Whether a check holds for this value; its operand has no placeholders left. */
export function isMet(
  { operator, operand, negated }: Demand,
  found: Found,
  budget: MatchBudget,
): boolean | { error: string } {
  const met = meets(operator, operand, found, budget);
  return typeof met === 'boolean' ? met !== negated : met;
}

/**
 * Whether a value meets a demand. One that does not exist meets none but `exists: false`. Two
 * doubles compare as the decimal numbers that they print, so nothing is rounded on the way.
 */
function meets(
  operator: Operator,
  operand: Json,
  found: Found,
  budget: MatchBudget,
): boolean | { error: string } {
  if (operator === 'exists') return found.found === operand;
  if (!found.found) return false;
  const { value } = found;
  switch (operator) {
    case 'equals':
      return sameJson(value, operand);
    case 'in':
      return (operand as Json[]).some((one) => sameJson(value, one));
    case 'matches':
      return typeof value === 'string'
        ? matches(operand as string, value, budget)
        : { error: `it is ${kindOf(value)}, not text` };
    case 'atLeast':
    case 'atMost':
      if (typeof value !== 'number') return { error: `it is ${kindOf(value)}, not a number` };
      return operator === 'atLeast' ? value >= Number(operand) : value <= Number(operand);
  }
}

function matches(pattern: string, text: string, budget: MatchBudget): boolean | { error: string } {
  try {
    return findsMatch(pattern, text, budget);
  } catch (error) {
    if (error instanceof TextTooLong) return { error: `it ${error.message}` };
    throw error;
  }
}

function kindOf(value: Json): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'string':
      return 'text';
    case 'number':
      return 'a number';
    case 'boolean':
      return String(value);
    default:
      return 'an object';
  }
}
