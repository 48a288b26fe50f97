import { describe, expect, it } from 'vitest';

import { formatProblem } from '../../../../src/runbook/problem.ts';
import { parseRunbook } from '../../../../src/runbook/parse.ts';
import { withCell } from './runbook-texts.ts';

/** The problems of a text, one line each. */
function problemsOf(text: string, format: 'yaml' | 'json' = 'yaml'): string[] {
  const parsed = parseRunbook(text, { file: 'a.yaml', format });
  if (parsed.ok) throw new Error('the runbook was accepted');
  return parsed.problems.map(formatProblem);
}

describe('a problem is reported by file, line, cell and field', () => {
  it.each<[string, string, string]>([
    [
      'a cell of no type',
      withCell('timeout: 1s'),
      'a.yaml:5 cell charge: needs exactly one of prose, exec, await, assert, run per cell; it has none of them',
    ],
    [
      'a cell of a mistyped type',
      withCell('exce: {handler: a}'),
      'a.yaml:5 cell charge: needs exactly one of prose, exec, await, assert, run per cell; it has none of them (exce; did you mean exec?)',
    ],
    [
      'a cell of two types',
      withCell('prose: a', 'exec: {handler: a}'),
      'a.yaml:5 cell charge: needs exactly one of prose, exec, await, assert, run per cell; it has prose and exec',
    ],
    [
      'an unknown field near a known one',
      withCell('exec: {handler: a}', 'timeuot: 1s'),
      'a.yaml:7 cell charge: timeuot is not a field here; did you mean timeout?',
    ],
    [
      'an unknown field near nothing',
      withCell('await: {claim: a, statuses: [b]}', 'colour: red'),
      'a.yaml:7 cell charge: colour is not a field here (there are id, title, description, when, await, undo)',
    ],
    [
      'a bad method',
      withCell('exec:', '  http:', '    method: PSOT', '    url: http://a'),
      'a.yaml:8 cell charge: exec.http.method must be one of GET, HEAD, POST, PUT, PATCH, DELETE, not "PSOT"; did you mean POST?',
    ],
    [
      'an unknown http field',
      withCell('exec: {http: {uri: "http://a"}}'),
      'a.yaml:6 cell charge: exec.http.uri is not a field here; did you mean url?',
    ],
    [
      'two effects',
      withCell('exec: {handler: a, command: [b]}'),
      'a.yaml:6 cell charge: exec must have exactly one of handler, command, http; it has handler and command',
    ],
    [
      'no effect',
      withCell('exec: {}'),
      'a.yaml:6 cell charge: exec must have one of handler, command, http',
    ],
    [
      'a mistyped effect',
      withCell('exec: {comand: [a]}'),
      'a.yaml:6 cell charge: exec must have one of handler, command, http, not comand; did you mean command?',
    ],
    [
      'an effect that is text',
      withCell('exec: ./notify.sh'),
      'a.yaml:6 cell charge: exec must be an object with handler, command, http, not text',
    ],
    [
      'a command that is text',
      withCell('exec: {command: echo hi}'),
      'a.yaml:6 cell charge: exec.command must be a list of the program and its arguments, such as [./notify.sh, now]: there is no shell',
    ],
    [
      'an argument that is a number',
      withCell('exec: {command: [sleep, 5]}'),
      'a.yaml:6 cell charge: exec.command.1 must be text, not the number 5',
    ],
    [
      'an empty command',
      withCell('exec: {command: []}'),
      'a.yaml:6 cell charge: exec.command must not be empty',
    ],
    [
      'a pointer without its slash',
      withCell('exec: {handler: a}', 'expect:', '  - pointer: count', '    equals: 1'),
      'a.yaml:8 cell charge: expect.0.pointer must be empty (the whole value) or start with /, such as /count',
    ],
    [
      'a pointer alone',
      withCell('exec: {handler: a}', 'expect: [{pointer: /a}]'),
      'a.yaml:7 cell charge: expect.0 needs equals or exists with pointer',
    ],
    [
      'a mistyped expectation',
      withCell('exec: {handler: a}', 'expect: [{pointer: /a, equal: 1}]'),
      'a.yaml:7 cell charge: expect.0.equal is not a field here; did you mean equals?',
    ],
    [
      'a double expectation',
      withCell('exec: {command: [a]}', 'expect: [{exitCode: 0, errorIncludes: a}]'),
      'a.yaml:7 cell charge: expect.0 must have exactly one of exitCode, status, pointer with equals, pointer with exists, errorIncludes; it has exitCode and errorIncludes',
    ],
    [
      'an exit code out of range',
      withCell('exec: {command: [a]}', 'expect: [{exitCode: 256}]'),
      'a.yaml:7 cell charge: expect.0.exitCode must be at most 255',
    ],
    [
      'an exit code of a handler',
      withCell('exec: {handler: a}', 'expect: [{exitCode: 0}]'),
      'a.yaml:7 cell charge: expect.0.exitCode can never hold: only a command has an exit code',
    ],
    [
      'a status of a command',
      withCell('exec: {command: [a]}', 'expect: [{status: 200}]'),
      'a.yaml:7 cell charge: expect.0.status can never hold: only an http call has a status',
    ],
    [
      'a bad duration',
      withCell('exec: {handler: a}', 'timeout: 10 s'),
      'a.yaml:7 cell charge: timeout must be a duration such as 200ms, 10s, 5m or 1h',
    ],
    [
      'no time at all',
      withCell('exec: {handler: a}', 'timeout: 0s'),
      'a.yaml:7 cell charge: timeout must be longer than zero',
    ],
    [
      'a probe without its policy',
      withCell('exec: {handler: a}', 'probe: {handler: b}'),
      'a.yaml:7 cell charge: probe is only used with onInterrupt: probe',
    ],
    [
      'the policy without its probe',
      withCell('exec: {handler: a}', 'onInterrupt: probe'),
      'a.yaml:5 cell charge: probe is required because onInterrupt is probe',
    ],
    [
      'a policy that is none',
      withCell('exec: {handler: a}', 'onInterrupt: retry'),
      'a.yaml:7 cell charge: onInterrupt must be one of hold, rerun, probe, not "retry"',
    ],
    [
      'an undeclared input',
      withCell('exec: {command: [a, "${inputs.odrer}"]}'),
      'a.yaml:6 cell charge: exec.command.1 refers to ${inputs.odrer}, but odrer is not declared (inputs: order); did you mean order?',
    ],
    [
      'a placeholder that is none',
      withCell('exec: {command: [a, "${order}"]}'),
      'a.yaml:6 cell charge: exec.command.1 has an invalid placeholder: ${order} is neither an input, an output nor a secret: write ${inputs.name}, ${outputs.cell.name} or ${secrets.NAME} (or ${each}, in the inputs of a run cell), or $${ for a literal ${',
    ],
    [
      'an open placeholder',
      withCell('exec: {command: [a, "${inputs.order"]}'),
      'a.yaml:6 cell charge: exec.command.1 has an invalid placeholder: ${inputs.order has no closing }',
    ],
    [
      'its own output',
      withCell('exec: {command: [a, "${outputs.charge.x}"]}'),
      'a.yaml:6 cell charge: exec.command.1 refers to ${outputs.charge.x}, which is this cell itself, and has no output yet',
    ],
    [
      'an unknown cell',
      withCell('exec: {http: {url: "http://a", body: {x: "${outputs.chrage.x}"}}}'),
      'a.yaml:6 cell charge: exec.http.body.x refers to ${outputs.chrage.x}, but there is no cell chrage; did you mean charge?',
    ],
    [
      'an address of another kind',
      withCell('exec: {http: {url: "ftp://a"}}'),
      'a.yaml:6 cell charge: exec.http.url must be an http:// or https:// URL',
    ],
    [
      'a hostile cell id',
      'runbook: a\nversion: 1\ncells:\n  - {id: "a b", exec: {handler: h}}',
      'a.yaml:4: cells.0.id must be 1 to 128 characters of A-Z a-z 0-9 _ -',
    ],
    [
      'a cell without an id',
      'runbook: a\nversion: 1\ncells:\n  - {exec: {handler: h}}',
      'a.yaml:4: cells.0.id is required',
    ],
    [
      'a cell named __proto__',
      'runbook: a\nversion: 1\ncells:\n  - {id: __proto__, exec: {handler: h}}',
      'a.yaml:4 cell __proto__: id must not be __proto__',
    ],
    ['no cells', 'runbook: a\nversion: 1\ncells: []', 'a.yaml:3: cells must not be empty'],
    [
      'a version that is text',
      'runbook: a\nversion: one\ncells: [{id: x, exec: {handler: h}}]',
      'a.yaml:2: version must be a number, not text',
    ],
    [
      'a list',
      '- a',
      'a.yaml:1: must be an object with runbook, version, inputs and cells, not a list',
    ],
    ['nothing', '', 'a.yaml:1: the file is empty'],
  ])('%s', (_, text, problem) => {
    expect(problemsOf(text)).toContain(problem);
  });

  it('in every cell at once, in the order of lines', () => {
    const text = [
      'runbook: a',
      'version: 0',
      'cells:',
      '  - {id: one, exec: {command: "x"}}',
      '  - {id: one, exec: {command: [echo, "${inputs.who}"]}}',
      '  - {id: two, assert: [{cell: three, pointer: "", exists: true}, {cell: text, pointer: "", exists: true}]}',
      '  - {id: three, exec: {handler: h}}',
      '  - {id: text, prose: hello}',
      '  - {id: four, assert: [{cell: text, pointer: "", exists: true}]}',
    ].join('\n');
    expect(problemsOf(text)).toEqual([
      'a.yaml:2: version must be at least 1',
      'a.yaml:4 cell one: exec.command must be a list of the program and its arguments, such as [./notify.sh, now]: there is no shell',
      'a.yaml:5 cell one: id is used twice: cell 1 is also one',
      'a.yaml:5 cell one: exec.command.1 refers to ${inputs.who}, but who is not declared (no inputs are declared)',
      'a.yaml:6 cell two: assert.0.cell names three, which comes later and has no output yet',
      'a.yaml:6 cell two: assert.1.cell names text, which comes later and has no output yet',
      'a.yaml:9 cell four: assert.0.cell names text, which is prose and never has an output',
    ]);
  });

  it('in JSON too', () => {
    const text =
      '{\n\t"runbook": "a",\n\t"version": 1,\n\t"cells": [\n\t\t{"id": "x",\n\t\t "exec": {"handler": 5}}\n\t]\n}';
    expect(problemsOf(text, 'json')).toEqual([
      'a.yaml:6 cell x: exec.handler must be text, not the number 5',
    ]);
    expect(problemsOf('{\n "runbook": }', 'json')[0]).toMatch(
      /^a\.yaml:2: is not JSON: Unexpected token/,
    );
    expect(problemsOf('{"a": 1,\n "a": 2}', 'json')).toContain(
      'a.yaml:2: the key "a" occurs twice in one object',
    );
  });
});

describe('a file is checked to its end in one run', () => {
  it.each([
    ['a key that occurs twice', ['exec: {handler: a}', 'exec: {handler: b}'], 7, /occurs twice/],
    [
      'a number that cannot be kept',
      ['exec:', '  http: {url: "http://a", body: 12345678901234567890}'],
      7,
      /cannot be kept exactly/,
    ],
  ])('in spite of %s', (_what, lines, line, message) => {
    const more = [
      '  - {id: b, exec: {handler: 5}}',
      '  - {id: c, exec: {http: {url: "http://a", body: {day: 2030-01-31}}}}',
    ];
    const text = [withCell(...lines), ...more].join('\n');
    expect(parseRunbook(text, { file: 'a.yaml', format: 'yaml' })).toMatchObject({
      ok: false,
      problems: [
        { line, message: expect.stringMatching(message) as string },
        { line: 8, cellId: 'b', field: 'exec.handler' },
      ],
      warnings: [{ line: 9, cellId: 'c' }],
    });
  });

  it('and its warnings are reported with its problems', () => {
    const text = withCell('exec: {command: ["${inputs.order}"]}', 'timeout: soon');
    const parsed = parseRunbook(text, { file: 'a.yaml', format: 'yaml' });
    expect(parsed).toMatchObject({
      ok: false,
      problems: [{ cellId: 'charge', field: 'timeout' }],
      warnings: [{ cellId: 'charge', field: 'exec.command.0' }],
    });
  });
});
