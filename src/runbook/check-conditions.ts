import {
  checkPlaceholders,
  error,
  inputFault,
  outputFault,
  type CellContext,
} from './check-names.ts';
import { demandOf, type Check } from './checks.ts';
import { pointerKeys } from './pointer.ts';
import type { Finding, Path } from './problem.ts';

/** Checks the names and the operands in the checks of an assert or of a `when`. */
export function checkConditions(
  checks: readonly Check[],
  path: Path,
  context: CellContext,
): Finding[] {
  return checks.flatMap((check, i) => {
    const at = [...path, i];
    const { operator, operand, negated } = demandOf(check);
    const operandAt = negated ? [...at, 'not', operator] : [...at, operator];
    return [
      ...checkSubject(check, at, context),
      ...(operator === 'matches' ? [] : checkPlaceholders(operand, operandAt, context)),
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
