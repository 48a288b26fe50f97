import type { Json } from '../../src/json.ts';
import { demandOf, type Check, type Demand } from '../../src/runbook/checks.ts';
import type { Effect, Expectation } from '../../src/runbook/runbook.ts';
import { shellCommand } from '../../src/shell-quote.ts';
import type { RunningCell } from './story.ts';

/** What a cell does, as its runbook says it. */
export interface Definition {
  /** What it runs, as code: a command, or an HTTP call. */
  readonly code: string | undefined;
  /** The rest, in sentences. */
  readonly notes: readonly string[];
}

/** What a cell does. Values that are known only when it runs show as their placeholders. */
export function definitionOf(cell: RunningCell): Definition {
  const when = (cell.when ?? []).map(checkText);
  const notes = when.length === 0 ? [] : [`only if ${when.join(', and ')}`];
  if ('exec' in cell) {
    return {
      code: effectText(cell.exec),
      notes: [...notes, ...policyNotes(cell), ...undoNotes(cell)],
    };
  }
  if ('await' in cell)
    return { code: undefined, notes: [...notes, waitText(cell.await), ...undoNotes(cell)] };
  if ('run' in cell)
    return { code: undefined, notes: [...notes, runText(cell.run), ...undoNotes(cell)] };
  return {
    code: undefined,
    notes: [...notes, ...cell.assert.map((check) => `checks that ${checkText(check)}`)],
  };
}

/** An effect in one line. */
function effectText(effect: Effect): string {
  if ('handler' in effect) return `handler ${effect.handler}`;
  if ('command' in effect) return shellCommand(...effect.command);
  return `${effect.http.method} ${effect.http.url}`;
}

function policyNotes(cell: Extract<RunningCell, { exec: unknown }>): string[] {
  const { expect, timeout, retry, onInterrupt, probe } = cell;
  return [
    expect === undefined ? '' : `expects ${expect.map(expectationText).join(', and ')}`,
    timeout === undefined ? '' : `at most ${timeout} per attempt`,
    retry === undefined ? '' : `up to ${retry.attempts} attempts`,
    probe === undefined ? '' : `if interrupted, asks: ${effectText(probe)}`,
    onInterrupt === 'rerun' ? 'if interrupted, runs again' : '',
  ].filter((note) => note !== '');
}

function undoNotes(cell: Exclude<RunningCell, { assert: unknown }>): string[] {
  if (cell.undo === undefined) return [];
  return [`undone by: ${effectText('exec' in cell.undo ? cell.undo.exec : cell.undo)}`];
}

function waitText(wait: Extract<RunningCell, { await: unknown }>['await']): string {
  if ('for' in wait) return `pauses for ${wait.for}`;
  if (!('claim' in wait)) return `pauses until ${wait.until}`;
  const { claim, statuses, within, until, otherwise } = wait;
  const deadline =
    within !== undefined ? ` within ${within}` : until !== undefined ? ` until ${until}` : '';
  const late = deadline === '' ? '' : otherwise === 'skip' ? ', else is skipped' : ', else halts';
  return `waits for claim ${claim} to be ${statuses.join(' or ')}${deadline}${late}`;
}

function runText({
  runbook,
  version,
  each,
  inputs,
}: Extract<RunningCell, { run: unknown }>['run']): string {
  const what = version === undefined ? runbook : `${runbook} v${version}`;
  const per = each === undefined ? '' : ` for each of ${valueText(each)}`;
  const given = Object.entries(inputs ?? {}).map(
    ([name, value]) => `${name} = ${valueText(value)}`,
  );
  return `runs ${what}${per}${given.length === 0 ? '' : `, with ${given.join(', ')}`}`;
}

function expectationText(expectation: Expectation): string {
  if ('exitCode' in expectation) return `exit code ${expectation.exitCode}`;
  if ('status' in expectation) return `status ${expectation.status}`;
  if ('errorIncludes' in expectation)
    return `an error with ${JSON.stringify(expectation.errorIncludes)}`;
  const place = expectation.pointer === '' ? 'the output' : expectation.pointer;
  if ('exists' in expectation)
    return `${place} ${expectation.exists ? 'to exist' : 'not to exist'}`;
  return `${place} to be ${valueText(expectation.equals)}`;
}

/** A check as the rest of a sentence: `charge /count is 1`. */
function checkText(check: Check): string {
  const subject =
    'cell' in check
      ? `${check.cell}${check.pointer === '' ? "'s output" : ` ${check.pointer}`}`
      : `input ${check.input}`;
  return `${subject} ${predicate(demandOf(check))}`;
}

function predicate({ operator, operand, negated }: Demand): string {
  const not = negated ? 'not ' : '';
  switch (operator) {
    case 'equals':
      return `is ${not}${valueText(operand)}`;
    case 'exists':
      return (operand === true) === negated ? 'does not exist' : 'exists';
    case 'in': {
      const values = Array.isArray(operand)
        ? operand.map(valueText).join(', ')
        : valueText(operand);
      return `is ${negated ? 'none' : 'one'} of ${values}`;
    }
    case 'atLeast':
      return `is ${not}at least ${valueText(operand)}`;
    case 'atMost':
      return `is ${not}at most ${valueText(operand)}`;
    case 'matches':
      return `${negated ? 'does not match' : 'matches'} ${typeof operand === 'string' ? operand : JSON.stringify(operand)}`;
  }
}

/** Text without quotes where it is a placeholder, else as JSON. */
function valueText(value: Json): string {
  return typeof value === 'string' && value.includes('${') ? value : JSON.stringify(value);
}
