import type { Json } from '../json.ts';
import {
  checkPlaceholders,
  error,
  inputFault,
  outputFault,
  warning,
  type CellContext,
} from './check-names.ts';
import { demandOf, type Check, type Demand } from './checks.ts';
import { isMet } from './evaluate-checks.ts';
import { inputProblems } from './input-schema.ts';
import { MatchBudget } from './pattern.ts';
import { placeholdersOf } from './placeholder.ts';
import { pointerKeys } from './pointer.ts';
import type { Finding, Path } from './problem.ts';

/**
 * Checks the names and the operands in the checks of an assert or of a `when`, and whether they can
 * hold at all. Elements with problems of their form may be missing.
 */
export function checkConditions(
  checks: readonly Check[],
  path: Path,
  context: CellContext,
): Finding[] {
  return checks.flatMap((check, i) => {
    const at = [...path, i];
    const demand = demandOf(check);
    const { operator, operand, negated } = demand;
    const operandAt = negated ? [...at, 'not', operator] : [...at, operator];
    return [
      ...checkSubject(check, at, context),
      ...(operator === 'matches'
        ? checkPattern(operand, operandAt)
        : checkPlaceholders(operand, operandAt, context)),
      ...checkAgainstSchema(check, demand, operandAt, context),
      ...checkTogether(checks, i, operandAt),
    ];
  });
}

function checkSubject(check: Check, at: Path, context: CellContext): Finding[] {
  if ('cell' in check) {
    const fault = outputFault(check.cell, context);
    return fault === undefined ? [] : [error([...at, 'cell'], `names ${check.cell}, ${fault}`)];
  }
  const [name] = pointerKeys(check.input);
  const fault = name === undefined ? undefined : inputFault(name, context);
  return fault === undefined ? [] : [error([...at, 'input'], `leads to ${check.input}, ${fault}`)];
}

function checkPattern(pattern: Json, at: Path): Finding[] {
  const isFilled = placeholdersOf(pattern).some(({ placeholder }) => placeholder !== undefined);
  const message =
    'has a placeholder, which is not filled in a regular expression: use equals or in';
  return isFilled ? [error(at, message)] : [];
}

/** A value that the schema of an input excludes is never found in it. */
function checkAgainstSchema(
  check: Check,
  { operator, operand, negated }: Demand,
  at: Path,
  { schemas }: CellContext,
): Finding[] {
  if (!('input' in check) || negated || !isLiteral(operand)) return [];
  const [name, ...deeper] = pointerKeys(check.input);
  if (name === undefined || deeper.length > 0 || !Object.hasOwn(schemas, name)) return [];
  const values = operator === 'equals' ? [operand] : operator === 'in' ? (operand as Json[]) : [];
  const excluded = values.map((value) => inputProblems(schemas[name]!, name, value)[0]);
  if (excluded.length === 0 || excluded.includes(undefined)) return [];
  const { message = '' } = excluded[0] ?? {};
  return [warning(at, `can never hold: by its schema, the input ${name} ${message}`)];
}

/** Two checks of one value, of which the first excludes the second. */
function checkTogether(checks: readonly Check[], i: number, at: Path): Finding[] {
  const second = checks[i]!;
  const earlier = checks.findIndex(
    (first, j) =>
      first !== undefined &&
      j < i &&
      sameSubject(first, second) &&
      exclude(demandOf(first), demandOf(second)),
  );
  return earlier === -1 ? [] : [warning(at, `can never hold together with check ${earlier + 1}`)];
}

function sameSubject(a: Check, b: Check): boolean {
  return 'cell' in a
    ? 'cell' in b && a.cell === b.cell && a.pointer === b.pointer
    : 'input' in b && a.input === b.input;
}

function exclude(first: Demand, second: Demand): boolean {
  if (!isLiteral(first.operand) || !isLiteral(second.operand)) return false;
  return (
    fixes(first, second) ||
    fixes(second, first) ||
    areApart(first, second) ||
    areApart(second, first)
  );
}

/** Whether the one allows a single value, or none, and the other excludes that. */
function fixes(one: Demand, other: Demand): boolean {
  if (one.operator === 'exists') {
    const isAbsent = (one.operand === true) === one.negated;
    return isAbsent && isMet(other, { found: false }, new MatchBudget()) !== true;
  }
  if (one.operator !== 'equals' || one.negated) return false;
  return isMet(other, { found: true, value: one.operand }, new MatchBudget()) !== true;
}

function areApart(low: Demand, high: Demand): boolean {
  return (
    low.operator === 'atLeast' &&
    high.operator === 'atMost' &&
    !low.negated &&
    !high.negated &&
    Number(low.operand) > Number(high.operand)
  );
}

function isLiteral(value: Json): boolean {
  return placeholdersOf(value).length === 0;
}
