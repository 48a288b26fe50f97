import { describe, expect, it } from 'vitest';

import { undoCell } from '../../../../src/runbook/undo.ts';
import { parseRunbook, type ParsedRunbook } from '../../../../src/runbook/parse.ts';
import { formatProblem } from '../../../../src/runbook/problem.ts';

/** A runbook whose cells are these lines, each a cell in flow style, from line 5 on. */
function parse(cells: readonly string[], head: readonly string[] = []): ParsedRunbook {
  const text = [
    'runbook: a',
    'version: 1',
    ...(head.length === 0 ? ['inputs: [order, list]'] : head),
    'cells:',
    ...cells.map((cell) => `  - ${cell}`),
  ].join('\n');
  return parseRunbook(text, { file: 'a.yaml', format: 'yaml' });
}

function warningsOf(cells: readonly string[], head: readonly string[] = []): string[] {
  const parsed = parse(cells, head);
  expect(parsed.ok ? [] : parsed.problems).toEqual([]);
  return parsed.warnings.map(formatProblem);
}

const FIRST = '{id: first, exec: {handler: h}}';

describe('a runbook with the whole life of an instance', () => {
  it('is accepted', () => {
    const cells = [
      '{id: about, title: About, prose: Text.}',
      '{id: canary, title: Canary, description: One host., exec: {command: [a], stdin: {order: "${inputs.order}"}}, ' +
        'retry: {attempts: 3, backoff: 1s, maxBackoff: 1m, factor: 1.5, jitter: 0.2}, undo: {command: [b, "--id=${outputs.canary.id}"]}}',
      '{id: soak, await: {for: 10m}}',
      '{id: night, await: {until: 2030-01-31T02:00:00Z}}',
      '{id: later, await: {for: "${inputs.order}"}}',
      '{id: go, await: {claim: go, statuses: [yes], within: 2d, otherwise: skip}, undo: {exec: {handler: h}, onInterrupt: rerun}}',
      '{id: by, await: {claim: go, statuses: ["yes"], until: "${inputs.order}"}}',
      '{id: warm, when: [{cell: canary, pointer: /warm, equals: false}, {input: /order, matches: "^o"}], exec: {handler: h}}',
      '{id: regions, run: {runbook: b, version: 2, each: "${inputs.list}", inputs: {order: "${inputs.order}"}}, undo: {handler: h}}',
      '{id: check, assert: [{cell: canary, pointer: /errors, atMost: 0}, {input: /list, exists: true}]}',
    ];
    const parsed = parse(cells, [
      'title: A',
      'description: |',
      '  More.',
      'onHalt: undo',
      'inputs: {order: {type: string}, list: {type: array, default: []}}',
    ]);
    expect(parsed.ok ? [] : parsed.problems.map(formatProblem)).toEqual([]);
    expect(parsed.warnings.map(formatProblem)).toEqual([
      'a.yaml:14 cell go: await.statuses.0 is written yes and read as text, not as true or false; quotes make that plain',
    ]);
    if (!parsed.ok) return;
    const { cells: read, ...head } = parsed.runbook;
    expect(head).toEqual({
      runbook: 'a',
      version: 1,
      title: 'A',
      description: 'More.\n',
      onHalt: 'undo',
      inputs: { order: { type: 'string' }, list: { type: 'array', default: [] } },
    });
    expect(read.map(undoCell).filter((cell) => cell !== undefined)).toEqual([
      { id: 'undo-canary', exec: { command: ['b', '--id=${outputs.canary.id}'] } },
      { id: 'undo-go', exec: { handler: 'h' }, onInterrupt: 'rerun' },
      { id: 'undo-regions', exec: { handler: 'h' } },
    ]);
  });
});

describe('a head', () => {
  it.each<[string, string, string]>([
    [
      'another policy',
      'onHalt: undoo',
      'a.yaml:3: onHalt must be one of hold, undo, not "undoo"; did you mean undo?',
    ],
    [
      'inputs that are text',
      'inputs: order',
      'a.yaml:3: inputs must be a list of names, or an object with a JSON Schema for each name, not text',
    ],
    [
      'a name that is a number',
      'inputs: [a, 5]',
      'a.yaml:3: inputs.1 must be text, not the number 5',
    ],
    [
      'a schema that is text',
      'inputs: {a: string}',
      'a.yaml:3: inputs.a must be an object, not text',
    ],
    [
      'a hostile name',
      'inputs: {"a b": {}}',
      'a.yaml:3: inputs.a b must be 1 to 128 characters of A-Z a-z 0-9 _ -',
    ],
    ['no title', 'title: ""', 'a.yaml:3: title must not be empty'],
  ])('with %s is rejected', (_, line, problem) => {
    const parsed = parse([FIRST], [line]);
    expect(parsed.ok ? [] : parsed.problems.map(formatProblem)).toContain(problem);
  });
});

describe('a runbook that may not do what its author expects gets a warning:', () => {
  it('undo on halt without any undo', () => {
    expect(warningsOf([FIRST], ['onHalt: undo'])).toEqual([
      'a.yaml:3: onHalt is undo, but no cell defines one: a halted instance would be cancelled',
    ]);
    expect(
      warningsOf(['{id: a, exec: {handler: h}, undo: {handler: h}}'], ['onHalt: undo']),
    ).toEqual([]);
  });

  it.each<[string, string]>([
    [
      '{input: /order, equals: a}, {input: /order, equals: b}',
      'when.1.equals can never hold together with check 1',
    ],
    [
      '{input: /order, in: [1, 2]}, {input: /order, equals: 3}',
      'when.1.equals can never hold together with check 1',
    ],
    [
      '{input: /order, atLeast: 5}, {input: /order, atMost: 4}',
      'when.1.atMost can never hold together with check 1',
    ],
    [
      '{input: /order, exists: false}, {input: /order, atMost: 4}',
      'when.1.atMost can never hold together with check 1',
    ],
    [
      '{input: /order, not: {equals: 1}}, {input: /order, equals: 1}',
      'when.1.equals can never hold together with check 1',
    ],
    [
      '{input: /order, matches: "^a"}, {input: /order, equals: b}',
      'when.1.equals can never hold together with check 1',
    ],
  ])('checks that exclude each other: %s', (checks, warning) => {
    expect(warningsOf([`{id: a, when: [${checks}], exec: {handler: h}}`])).toEqual([
      `a.yaml:5 cell a: ${warning}`,
    ]);
  });

  it.each([
    '{input: /order, atLeast: 4}, {input: /order, atMost: 4}',
    '{input: /order, equals: 4}, {input: /order, equals: "${inputs.list}"}',
    '{input: /order, equals: 4}, {input: /list, equals: 5}',
    '{input: /order, exists: true}, {input: /order, in: [1]}',
    '{input: /order, not: {equals: 1}}, {input: /order, equals: 2}',
  ])('but not checks that can hold together: %s', (checks) => {
    expect(warningsOf([`{id: a, when: [${checks}], exec: {handler: h}}`])).toEqual([]);
  });

  it('a value that the schema of its input excludes', () => {
    const head = ['inputs: {mode: {enum: [live, test]}}'];
    const when = (check: string) => [
      `{id: a, when: [{input: /mode, ${check}}], exec: {handler: h}}`,
    ];
    expect(warningsOf(when('equals: lvie'), head)).toEqual([
      'a.yaml:5 cell a: when.0.equals can never hold: by its schema, the input mode must be one of "live", "test"',
    ]);
    expect(warningsOf(when('in: [a, b]'), head)).toHaveLength(1);
    expect(warningsOf(when('in: [a, live]'), head)).toEqual([]);
    expect(warningsOf(when('not: {equals: a}'), head)).toEqual([]);
  });

  it('waits between attempts of which there is one', () => {
    expect(warningsOf(['{id: a, exec: {handler: h}, retry: {attempts: 1, jitter: 0.5}}'])).toEqual([
      'a.yaml:5 cell a: retry.jitter has little effect: there is one attempt, so no retry',
    ]);
  });
});
