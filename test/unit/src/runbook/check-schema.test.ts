import { describe, expect, it } from 'vitest';

import { parseRunbook } from '../../../../src/runbook/parse.ts';
import { formatProblem } from '../../../../src/runbook/problem.ts';

describe('a schema that cannot be used is rejected with its position', () => {
  /** The problems of a runbook with an input x, whose schema begins in line 4. */
  function inFile(...lines: string[]): string[] {
    const text = [
      'runbook: a',
      'version: 1',
      'inputs:',
      '  x:',
      ...lines.map((line) => `    ${line}`),
      'cells: [{id: c, exec: {handler: h}}]',
    ].join('\n');
    const parsed = parseRunbook(text, { file: 'a.yaml', format: 'yaml' });
    return (parsed.ok ? parsed.warnings : parsed.problems).map(formatProblem);
  }

  it.each<[string, string[], string]>([
    [
      'an unknown type',
      ['type: strnig'],
      '5: inputs.x.type must be one of string, number, integer, boolean, array, object, null, not "strnig"; did you mean string?',
    ],
    [
      'a mistyped keyword',
      ['type: string', 'patern: a'],
      '6: inputs.x.patern is not a keyword of JSON Schema; did you mean pattern?',
    ],
    [
      'a keyword of another draft',
      ['definitions: {}'],
      '5: inputs.x.definitions is called $defs since draft 2019-09',
    ],
    [
      'an old list of items',
      ['items: [{type: string}]'],
      '5: inputs.x.items must be one schema; a list of them is called prefixItems',
    ],
    [
      'a flag of an old draft',
      ['minimum: 1', 'exclusiveMinimum: true'],
      '6: inputs.x.exclusiveMinimum must be a number',
    ],
    [
      'required as a flag',
      ['type: string', 'required: true'],
      '6: inputs.x.required must be a list of names; an input itself is required unless it has a default',
    ],
    [
      'a bad expression',
      ['pattern: "a("'],
      '5: inputs.x.pattern is not a regular expression in RE2 syntax',
    ],
    [
      'a back reference',
      ['properties:', '  y: {pattern: "(a)\\\\1"}'],
      '6: inputs.x.properties.y.pattern is not a regular expression in RE2 syntax',
    ],
    [
      'a bad name of an expression',
      ['patternProperties: {"a(": true}'],
      '5: inputs.x.patternProperties.a( is not a regular expression in RE2 syntax',
    ],
    [
      'an unknown format',
      ['format: datetime'],
      '5: inputs.x.format must be one of date-time, date, time, email, hostname, ipv4, ipv6, uri, uuid, not "datetime"; did you mean date-time?',
    ],
    [
      'a remote reference',
      ['$ref: https://a.example/schema.json'],
      '5: inputs.x.$ref must be #/$defs/name, which leads to a schema in $defs of the same input',
    ],
    [
      'a reference to nothing',
      ['$ref: "#/$defs/oder"', '$defs: {order: {}}'],
      '5: inputs.x.$ref leads nowhere: there is no oder in $defs; did you mean order?',
    ],
    [
      'a circle',
      [
        '$ref: "#/$defs/a"',
        '$defs:',
        '  a: {items: {$ref: "#/$defs/b"}}',
        '  b: {items: {$ref: "#/$defs/a"}}',
      ],
      '7: inputs.x.$defs.a refers to itself (a → b → a): say how deep it may be by writing it out',
    ],
    [
      'an id',
      ['$id: https://a.example'],
      '5: inputs.x.$id is not used here: the schema of an input stands alone',
    ],
    [
      'limits that exclude everything',
      ['minLength: 5', 'maxLength: 4'],
      '5: inputs.x.minLength is more than maxLength, so no value fits',
    ],
    [
      'a default that does not fit',
      ['type: array', 'items: {type: string}', 'default: [a, 5]'],
      '7: inputs.x.default.1 must be text: a default must fit its own schema',
    ],
    [
      'a default inside',
      ['properties:', '  y: {default: 1}'],
      "6: inputs.x.properties.y.default is not filled in: only an input's default is, not one inside it",
    ],
    [
      'a count below zero',
      ['minItems: -1'],
      '5: inputs.x.minItems must be a whole number, 0 or more',
    ],
    [
      'a schema that is text',
      ['items: string'],
      '5: inputs.x.items must be a schema: an object, true or false',
    ],
  ])('%s', (_, lines, problem) => {
    expect(inFile(...lines)).toEqual([expect.stringContaining(`a.yaml:${problem}`)]);
  });

  it('because it doubles with each reference', () => {
    const defs = Array.from(
      { length: 40 },
      (_, i) => `  d${i}: {allOf: [{$ref: "#/$defs/d${i + 1}"}, {$ref: "#/$defs/d${i + 1}"}]}`,
    );
    const [problem = ''] = inFile('$ref: "#/$defs/d0"', '$defs:', ...defs, '  d40: {type: string}');
    expect(problem).toMatch(
      /inputs\.x has \d+ subschemas once its references are followed, and 1000 are allowed$/,
    );
  });

  it('because it is too large', () => {
    expect(inFile(`description: ${'x'.repeat(70_000)}`)).toEqual([
      'a.yaml:4: inputs.x is larger than 64 KiB, which a schema may have',
    ]);
  });
});
