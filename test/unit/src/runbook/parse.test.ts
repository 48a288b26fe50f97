import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { formatProblem } from '../../../../src/runbook/problem.ts';
import {
  parseRunbook,
  parseRunbookValue,
  type ParsedRunbook,
} from '../../../../src/runbook/parse.ts';

const REFUND = `runbook: refund
version: 1
inputs: [ledger, order]
cells:
  - {id: about, prose: Refunds an order once.}
  - {id: approved, await: {claim: "refund-\${inputs.order}", statuses: [approved]}}
  - id: charge
    exec: {http: {method: POST, url: "\${inputs.ledger}/effects", body: {order: "\${inputs.order}"}}}
    expect: [{status: 201}, {pointer: /count, equals: 1}]
    timeout: 10s            # default 5m
    retry: {attempts: 3, backoff: 200ms}
    onInterrupt: probe
    probe: {command: [node, probe.mjs]}   # prints {"answer": "happened", "output": {…}}
  - {id: check, assert: [{cell: charge, pointer: /count, equals: 1}]}
  - {id: notify, exec: {command: [./notify.sh]}, expect: [{exitCode: 0}], onInterrupt: rerun}
`;

/** The problems of a text, one line each. */
function problemsOf(text: string, format: 'yaml' | 'json' = 'yaml'): string[] {
  const parsed = parseRunbook(text, { file: 'a.yaml', format });
  if (parsed.ok) throw new Error('the runbook was accepted');
  return parsed.problems.map(formatProblem);
}

/** A runbook whose one cell has these further lines. */
function withCell(...lines: string[]): string {
  return [
    'runbook: a',
    'version: 1',
    'inputs: [order]',
    'cells:',
    '  - id: charge',
    ...lines.map((l) => `    ${l}`),
  ].join('\n');
}

describe('a runbook file', () => {
  it('from the contract is accepted as it is, without warnings', () => {
    const parsed = parseRunbook(REFUND, { file: 'refund.yaml', format: 'yaml' });
    expect(parsed).toMatchObject({ ok: true, warnings: [] });
    if (!parsed.ok) return;
    expect(parsed.runbook.cells.map((cell) => cell.id)).toEqual([
      'about',
      'approved',
      'charge',
      'check',
      'notify',
    ]);
    expect(parsed.runbook).toMatchObject({
      runbook: 'refund',
      version: 1,
      inputs: ['ledger', 'order'],
    });
    expect(parsed.runbook.cells[2]).toMatchObject({
      exec: {
        http: {
          method: 'POST',
          url: '${inputs.ledger}/effects',
          body: { order: '${inputs.order}' },
        },
      },
      probe: { command: ['node', 'probe.mjs'] },
    });
  });

  it('may be JSON, and is then the same runbook', () => {
    const yaml = parseRunbook(REFUND, { file: 'a', format: 'yaml' });
    if (!yaml.ok) throw new Error('not read');
    const text = JSON.stringify(yaml.runbook, null, '\t');
    expect(parseRunbook(text, { file: 'a.json', format: 'json' })).toEqual(yaml);
  });

  it('needs no inputs', () => {
    const parsed = parseRunbookValue(
      { runbook: 'a', version: 1, cells: [{ id: 'x', exec: { handler: 'h' } }] },
      'f',
    );
    expect(parsed).toMatchObject({ ok: true, runbook: { inputs: [] } });
  });

  it('without an exec cell is accepted with a warning', () => {
    const parsed = parseRunbook('runbook: a\nversion: 1\ncells:\n  - {id: x, prose: hello}\n', {
      file: 'a.yaml',
      format: 'yaml',
    });
    expect(parsed.ok && parsed.warnings.map(formatProblem)).toEqual([
      'a.yaml:3: cells have no exec cell, so this runbook does nothing',
    ]);
  });
});

describe('a problem is reported by file, line, cell and field', () => {
  it.each<[string, string, string]>([
    [
      'a cell of no type',
      withCell('timeout: 1s'),
      'a.yaml:5 cell charge: needs exactly one of prose, exec, await, assert per cell; it has none of them',
    ],
    [
      'a cell of a mistyped type',
      withCell('exce: {handler: a}'),
      'a.yaml:5 cell charge: needs exactly one of prose, exec, await, assert per cell; it has none of them (exce; did you mean exec?)',
    ],
    [
      'a cell of two types',
      withCell('prose: a', 'exec: {handler: a}'),
      'a.yaml:5 cell charge: needs exactly one of prose, exec, await, assert per cell; it has prose and exec',
    ],
    [
      'an unknown field near a known one',
      withCell('exec: {handler: a}', 'timeuot: 1s'),
      'a.yaml:7 cell charge: timeuot is not a field here; did you mean timeout?',
    ],
    [
      'an unknown field near nothing',
      withCell('await: {claim: a, statuses: [b]}', 'colour: red'),
      'a.yaml:7 cell charge: colour is not a field here (there are id, await)',
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
      'a.yaml:8 cell charge: expect.0.pointer must be empty (the whole output) or start with /, such as /count',
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
      'a.yaml:6 cell charge: exec.command.1 has an invalid placeholder: ${order} is not a placeholder: write ${inputs.name} or ${outputs.cell.name}, or $${ for a literal ${',
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
    expect(problemsOf('{"a": 1,\n "a": 2}', 'json')).toEqual([
      'a.yaml:2: the key "a" occurs twice in one object',
    ]);
  });
});

describe('YAML that would mislead its reader is rejected', () => {
  const one = withCell('exec: {handler: a}');
  it.each<[string, string, RegExp]>([
    [
      'a duplicate key',
      withCell('exec: {handler: a}', 'exec: {handler: b}'),
      /^a\.yaml:7: the key exec occurs twice/,
    ],
    ['a second document', `${one}\n---\n${one}`, /^a\.yaml:7: .*second YAML document/],
    ['an unknown tag', withCell('exec: {handler: !js a}'), /^a\.yaml:6: Unresolved tag: !js/],
    [
      'an alias without its anchor',
      withCell('exec: {handler: *a}'),
      /\*a refers to no earlier anchor/,
    ],
    ['an alias inside what it names', '&a [*a]', /\*a is inside the value that it refers to/],
    ['a bomb of many aliases', `a: &a [x]\nb: [${'*a,'.repeat(101)}]`, /more than 100 aliases/],
    [
      'a bomb of nested aliases',
      [
        'a: &a [x,x,x,x,x,x,x,x,x,x]',
        ...'bcdefgh'.split('').map((l, i) => {
          const from = `*${'abcdefgh'[i]}`;
          return `${l}: &${l} [${Array.from({ length: 10 }, () => from).join(',')}]`;
        }),
      ].join('\n'),
      /aliases cannot be resolved: Excessive alias count/,
    ],
    [
      'a key that is no text',
      withCell('exec: {http: {url: "http://a", body: {1: a}}}'),
      /a key must be text/,
    ],
    [
      'the key __proto__',
      withCell('exec: {http: {url: "http://a", body: {__proto__: {a: 1}}}}'),
      /__proto__ is not allowed/,
    ],
    [
      'a number that JSON does not carry',
      withCell('exec: {http: {url: "http://a", body: .nan}}'),
      /\.nan is not a number that JSON/,
    ],
    [
      'a number too large to be exact',
      withCell('exec: {http: {url: "http://a", body: 12345678901234567890}}'),
      /too large to be represented exactly/,
    ],
    [
      'a text that the log cannot keep',
      withCell('exec: {http: {url: "http://a", body: "a\\0b"}}'),
      /NUL character/,
    ],
    ['deep nesting', `${'['.repeat(150)}${']'.repeat(150)}`, /nested more than 100 levels/],
    ['hopeless nesting', '['.repeat(100_000), /nested too deeply/],
    ['a huge file', ' '.repeat(1_048_577), /larger than 1 MiB/],
  ])('%s', (_, text, problem) => {
    expect(problemsOf(text)).toContainEqual(expect.stringMatching(problem));
  });

  it('but ordinary anchors are resolved', () => {
    const text = withCell(
      'exec: {http: {url: "http://a", headers: &h {x: y}}}',
      'onInterrupt: probe',
      'probe: {http: {url: "http://b", headers: *h}}',
    );
    expect(parseRunbook(text, { file: 'a', format: 'yaml' })).toMatchObject({
      ok: true,
      runbook: { cells: [{ probe: { http: { headers: { x: 'y' } } } }] },
    });
  });
});

describe('junk never throws', () => {
  /** Whether the outcome is one of the two, with something to say in the second. */
  const answers = (parsed: ParsedRunbook): boolean => parsed.ok || parsed.problems.length > 0;

  it('as text', () => {
    const words = REFUND.split(/(?<=[\s:{}[\],"])/);
    const piece = fc.constantFrom(...words, '&a', '*a', '---', '!x', '\t', '\u0000', '|', '>');
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 60 }).map((all) => all.join('')),
    );
    const format = fc.constantFrom<'yaml' | 'json'>('yaml', 'json');
    const property = fc.property(text, format, (source, form) =>
      answers(parseRunbook(source, { file: 'f', format: form })),
    );
    expect(() => fc.assert(property, { numRuns: 500 })).not.toThrow();
  });

  it('as the refund runbook with one line changed, and every problem has its line', () => {
    const lines = REFUND.split('\n');
    const property = fc.property(
      fc.nat(lines.length - 1),
      fc.string({ unit: 'binary' }),
      (at, text) => {
        const parsed = parseRunbook(lines.toSpliced(at, 1, text).join('\n'), {
          file: 'f',
          format: 'yaml',
        });
        return (
          answers(parsed) && (parsed.ok || parsed.problems.every((problem) => problem.line > 0))
        );
      },
    );
    expect(() => fc.assert(property)).not.toThrow();
  });

  it('as a value', () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
    });
    const property = fc.property(anything, (value) =>
      [value, { runbook: 'a', version: 1, cells: [value] }].every((one) => {
        const parsed = parseRunbookValue(one, 'f');
        return !parsed.ok && answers(parsed);
      }),
    );
    expect(() => fc.assert(property)).not.toThrow();
  });
});
