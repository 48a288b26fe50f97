import { describe, expect, it } from 'vitest';

import { parseRunbook } from '../../../../src/runbook/parse.ts';
import { formatProblem } from '../../../../src/runbook/problem.ts';

/** The problems of a runbook with these cells, each in flow style, the first in line 5. */
function problemsOf(...cells: string[]): string[] {
  const head = ['runbook: a', 'version: 1', 'inputs: [order, list]', 'cells:'];
  const text = [...head, ...cells.map((cell) => `  - ${cell}`)].join('\n');
  const parsed = parseRunbook(text, { file: 'a.yaml', format: 'yaml' });
  return parsed.ok ? [] : parsed.problems.map(formatProblem);
}

const FIRST = '{id: first, exec: {handler: h}}';

describe('a mistake in a wait, a condition, an undo or a run', () => {
  it.each<[string, string, string]>([
    [
      'a deadline alone',
      '{id: a, await: {within: 2d}}',
      'await must be a claim with its statuses, or a pause: for or until',
    ],
    [
      'nothing to wait for',
      '{id: a, await: {}}',
      'await must be a claim with its statuses, or a pause: for or until',
    ],
    [
      'a deadline of a pause',
      '{id: a, await: {for: 1m, within: 2d}}',
      'await.within is only used with a claim, and this await is a pause',
    ],
    [
      'what follows a pause',
      '{id: a, await: {until: 2030-01-31T09:00:00Z, otherwise: skip}}',
      'await.otherwise is only used with a claim, and this await is a pause',
    ],
    [
      'a pause of a claim',
      '{id: a, await: {claim: a, statuses: [b], for: 1m}}',
      'await.for is a pause by itself; the deadline of a claim is within',
    ],
    [
      'two pauses',
      '{id: a, await: {for: 1m, until: 2030-01-31T09:00:00Z}}',
      'await must have exactly one of claim with statuses, for, until; it has for and until',
    ],
    [
      'otherwise without a deadline',
      '{id: a, await: {claim: a, statuses: [b], otherwise: skip}}',
      'await.otherwise is only used with a deadline: add within or until',
    ],
    [
      'two deadlines',
      '{id: a, await: {claim: a, statuses: [b], within: 1h, until: 2030-01-31T09:00:00Z}}',
      'await.until is a second deadline: write either within or until',
    ],
    [
      'a wait that is none',
      '{id: a, await: {for: ten minutes}}',
      'await.for must be a duration such as 90s, 10m, 12h or 2d',
    ],
    ['no wait at all', '{id: a, await: {for: 0s}}', 'await.for must be longer than zero'],
    [
      'a moment without its zone',
      '{id: a, await: {until: "2030-01-31T09:00"}}',
      'await.until has no zone: write 2030-01-31T09:00Z for UTC, or an offset such as 2030-01-31T09:00+01:00',
    ],
    [
      'another consequence',
      '{id: a, await: {claim: a, statuses: [b], within: 1h, otherwise: hlat}}',
      'await.otherwise must be one of halt, skip, not "hlat"; did you mean halt?',
    ],
    [
      'a placeholder in a wait',
      '{id: a, await: {for: "${inputs.odrer}"}}',
      'await.for refers to ${inputs.odrer}, but odrer is not declared (inputs: order, list); did you mean order?',
    ],
    [
      'an id of an undo',
      '{id: undo-a, exec: {handler: h}}',
      'id must not begin with undo-: such ids name what undoes a cell',
    ],
    [
      'an undo of an assert',
      '{id: a, assert: [{input: /order, exists: true}], undo: {handler: h}}',
      'undo is not a field here: only exec, await, run cells have it',
    ],
    [
      'an undo of text',
      '{id: a, prose: b, undo: {handler: h}}',
      'undo is not a field here: only exec, await, run cells have it; this one is text',
    ],
    [
      'a condition of text',
      '{id: a, prose: b, when: [{input: /order, exists: true}]}',
      'when is not a field here: only exec, await, assert, run cells have it; this one is text',
    ],
    [
      'a timeout of a wait',
      '{id: a, await: {for: 1m}, timeout: 1m}',
      'timeout is not a field here: only exec cells have it',
    ],
    [
      'an undo of nothing',
      '{id: a, exec: {handler: h}, undo: {}}',
      'undo must have one of handler, command, http, exec',
    ],
    [
      'a policy next to a bare undo',
      '{id: a, exec: {handler: h}, undo: {command: [b], onInterrupt: rerun}}',
      'undo.onInterrupt is not a field here',
    ],
    [
      'an undo without its probe',
      '{id: a, exec: {handler: h}, undo: {exec: {command: [b]}, onInterrupt: probe}}',
      'undo.probe is required because onInterrupt is probe',
    ],
    [
      'an undo that looks ahead',
      '{id: a, exec: {handler: h}, undo: {command: [b, "${outputs.later.x}"]}}',
      'undo.command.1 refers to ${outputs.later.x}, but there is no cell later',
    ],
    [
      'an unfit expectation of an undo',
      '{id: a, exec: {handler: h}, undo: {exec: {handler: h}, expect: [{exitCode: 0}]}}',
      'undo.expect.0.exitCode can never hold: only a command has an exit code',
    ],
    [
      'an undo with a bad url',
      '{id: a, exec: {handler: h}, undo: {http: {url: "ftp://a"}}}',
      'undo.http.url must be an http:// or https:// URL',
    ],
    [
      'a condition on itself',
      '{id: a, when: [{cell: a, pointer: "", exists: true}], exec: {handler: h}}',
      'when.0.cell names a, which is this cell itself, and has no output yet',
    ],
    [
      'a condition without an operator',
      '{id: a, when: [{cell: first, pointer: /x}], exec: {handler: h}}',
      'when.0 needs equals or exists or in or atLeast or atMost or matches or not with cell and pointer',
    ],
    [
      'a mistyped operator',
      '{id: a, when: [{cell: first, pointer: /x, atleast: 1}], exec: {handler: h}}',
      'when.0.atleast is not a field here; did you mean atLeast?',
    ],
    [
      'two operators',
      '{id: a, when: [{input: /order, equals: 1, exists: true}], exec: {handler: h}}',
      'when.0 must have cell and pointer, or input, with exactly one of equals, exists, in, atLeast, atMost, matches, not; it has input and equals and exists',
    ],
    [
      'a condition on nothing',
      '{id: a, when: [{equals: 1}], exec: {handler: h}}',
      'when.0.input is required',
    ],
    [
      'a condition that is text',
      '{id: a, when: [yes], exec: {handler: h}}',
      'when.0 must be an object with cell and pointer, or input, with exactly one of equals, exists, in, atLeast, atMost, matches, not, not text',
    ],
    [
      'a condition on an input that is not declared',
      '{id: a, when: [{input: /odrer, exists: true}], exec: {handler: h}}',
      'when.0.input leads to /odrer, but odrer is not declared (inputs: order, list); did you mean order?',
    ],
    [
      'a bound that is text',
      '{id: a, when: [{input: /order, atLeast: "5"}], exec: {handler: h}}',
      'when.0.atLeast must be one placeholder and nothing else, such as ${inputs.name}',
    ],
    [
      'a bound that is a list',
      '{id: a, when: [{input: /order, atMost: [5]}], exec: {handler: h}}',
      'when.0.atMost must be a number, or one placeholder that stands for a number, not a list',
    ],
    [
      'no values',
      '{id: a, when: [{input: /order, in: []}], exec: {handler: h}}',
      'when.0.in must not be empty',
    ],
    [
      'a placeholder in a check',
      '{id: a, when: [{input: /order, not: {in: ["${inputs.x}"]}}], exec: {handler: h}}',
      'when.0.not.in.0 refers to ${inputs.x}, but x is not declared (inputs: order, list)',
    ],
    [
      'a double negation',
      '{id: a, when: [{input: /order, not: {not: {equals: 1}}}], exec: {handler: h}}',
      'when.0.not must have one of equals, exists, in, atLeast, atMost, matches, not not',
    ],
    [
      'an expression that is none',
      '{id: a, when: [{input: /order, matches: "a("}], exec: {handler: h}}',
      'when.0.matches is not a regular expression in RE2 syntax',
    ],
    [
      'an expression that looks ahead',
      '{id: a, when: [{input: /order, matches: "(?=a)"}], exec: {handler: h}}',
      'when.0.matches is not a regular expression in RE2 syntax',
    ],
    [
      'a filled expression',
      '{id: a, when: [{input: /order, matches: "a${inputs.order}"}], exec: {handler: h}}',
      'when.0.matches has a placeholder, which is not filled in a regular expression: use equals or in',
    ],
    [
      'a mistyped field of run',
      '{id: a, run: {runbok: b}}',
      'run.runbok is not a field here; did you mean runbook?',
    ],
    [
      'a list that is text',
      '{id: a, run: {runbook: b, each: "x ${inputs.list}"}}',
      'run.each must be one placeholder and nothing else, such as ${inputs.name}',
    ],
    [
      'a list that is an object',
      '{id: a, run: {runbook: b, each: {a: 1}}}',
      'run.each must be a list, or one placeholder that stands for a list, not an object',
    ],
    [
      'a list of nobody',
      '{id: a, run: {runbook: b, each: "${outputs.frist.x}"}}',
      'run.each refers to ${outputs.frist.x}, but there is no cell frist; did you mean first?',
    ],
    ['each in another cell', '{id: a, exec: {handler: h}, each: [1]}', 'each is not a field here'],
    [
      'a shrinking wait',
      '{id: a, exec: {handler: h}, retry: {attempts: 2, backoff: 10s, maxBackoff: 1s}}',
      'retry.maxBackoff is shorter than the first wait, 10s',
    ],
    [
      'a factor below one',
      '{id: a, exec: {handler: h}, retry: {attempts: 2, factor: 0.5}}',
      'retry.factor must be at least 1',
    ],
    [
      'too much jitter',
      '{id: a, exec: {handler: h}, retry: {attempts: 2, jitter: 20}}',
      'retry.jitter must be at most 1',
    ],
    [
      'a title of two lines',
      '{id: a, title: "b\\nc", exec: {handler: h}}',
      'title must be one line; use description for more',
    ],
    [
      'an undeclared input on stdin',
      '{id: a, exec: {command: [b], stdin: "${inputs.odrer}"}}',
      'exec.stdin refers to ${inputs.odrer}, but odrer is not declared (inputs: order, list); did you mean order?',
    ],
  ])('%s', (_, cell, problem) => {
    const problems = problemsOf(FIRST, cell).map((one) => one.replace(/^a\.yaml:6[^:]*: /, ''));
    expect(problems).toContainEqual(expect.stringContaining(problem));
  });

  it('is reported with everything else that is wrong in the cell', () => {
    const cell =
      '{id: a, when: [{cell: later, pointer: x, exists: 1}, {cell: later, pointer: "", exists: true}], ' +
      'exec: {command: ["${inputs.x}"]}, undo: {handler: 5, command: ["${inputs.y}"]}}';
    expect(problemsOf(cell, '{id: later, exec: {handler: h}}')).toEqual(
      expect.arrayContaining([
        expect.stringContaining('when.0.pointer must be empty'),
        expect.stringContaining('when.0.exists must be true or false'),
        expect.stringContaining('when.1.cell names later, which comes later'),
        expect.stringContaining('exec.command.0 refers to ${inputs.x}'),
        expect.stringContaining('undo must have exactly one of'),
        expect.stringContaining('undo.command.0 refers to ${inputs.y}'),
      ]) as string[],
    );
  });
});
