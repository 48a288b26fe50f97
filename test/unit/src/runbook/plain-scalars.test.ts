import { describe, expect, it } from 'vitest';

import { parseRunbook } from '../../../../src/runbook/parse.ts';
import { formatProblem } from '../../../../src/runbook/problem.ts';
import { withCell } from './runbook-texts.ts';

function warningsOf(...lines: string[]): string[] {
  const parsed = parseRunbook(withCell(...lines), { file: 'a.yaml', format: 'yaml' });
  if (!parsed.ok) throw new Error(parsed.problems.map(formatProblem).join('\n'));
  return parsed.warnings.map(formatProblem);
}

/** The body of the request that the cell makes, and the warnings about it. */
function read(value: string): { body: unknown; warnings: string[] } {
  const text = withCell(`exec: {http: {url: "http://a", body: {x: ${value}}}}`);
  const parsed = parseRunbook(text, { file: 'a.yaml', format: 'yaml' });
  if (!parsed.ok) throw new Error(parsed.problems.map(formatProblem).join('\n'));
  const [cell] = parsed.runbook.cells;
  const { x } = (cell as unknown as { exec: { http: { body: { x: unknown } } } }).exec.http.body;
  return { body: x, warnings: parsed.warnings.map(formatProblem) };
}

describe('a plain scalar gets a warning that says how it was read when it looks like', () => {
  it.each<[what: string, source: string, value: unknown, says: string]>([
    [
      'an octal',
      '0755',
      755,
      'read as the number 755, not as an octal, and without leading zeros; if it is text, use quotes',
    ],
    [
      'an octal of YAML 1.2',
      '0o17',
      15,
      'read as the number 15, as an octal; if it is text, use quotes',
    ],
    [
      'a number with leading zeros',
      '007',
      7,
      'read as the number 7, not as an octal, and without leading zeros; if it is text, use quotes',
    ],
    [
      'a hexadecimal',
      '0x1F',
      31,
      'read as the number 31, as a hexadecimal; if it is text, use quotes',
    ],
    [
      'an exponent',
      '1e3',
      1_000,
      'read as the number 1000, because it looks like one with an exponent; if it is text, use quotes',
    ],
    [
      'a hash with one e',
      '1234e56',
      1.234e59,
      'read as the number 1.234e+59, because it looks like one with an exponent; if it is text, use quotes',
    ],
    ['a date', '2026-01-31', '2026-01-31', 'read as text, not as a date; quotes make that plain'],
    [
      'a date with a time',
      '2026-01-31T12:00:00Z',
      '2026-01-31T12:00:00Z',
      'read as text, not as a date; quotes make that plain',
    ],
    [
      'a truth of YAML 1.1',
      'yes',
      'yes',
      'read as text, not as true or false; quotes make that plain',
    ],
    ['another one', 'Off', 'Off', 'read as text, not as true or false; quotes make that plain'],
    [
      'base 60',
      '12:30',
      '12:30',
      'read as text, not as a number in base 60; quotes make that plain',
    ],
    ['digits in groups', '1_000', '1_000', 'read as text, not as a number; quotes make that plain'],
  ])('%s: %s', (_, source, value, says) => {
    expect(read(source)).toEqual({
      body: value,
      warnings: [`a.yaml:6 cell charge: exec.http.body.x is written ${source} and ${says}`],
    });
  });

  it.each(['1.10', '0', '0.5', '-3', '10', 'true', 'null', '~', 'hello', '1.2.3', 'a1b2c3d', 'e5'])(
    '%s does not',
    (source) => {
      expect(read(source).warnings).toEqual([]);
    },
  );

  it.each(['"0755"', "'1e3'", '"2026-01-31"', '"yes"', '!!str 0755'])(
    '%s does not: it says what it is',
    (source) => {
      const { body, warnings } = read(source);
      expect([typeof body, warnings]).toEqual(['string', []]);
    },
  );
});

describe('such a warning', () => {
  it('names its place in lists and blocks, once per scalar', () => {
    expect(
      warningsOf('exec:', '  command:', '    - ./deploy', '    - 2026-01-31', 'timeout: 10s'),
    ).toEqual([
      'a.yaml:9 cell charge: exec.command.1 is written 2026-01-31 and read as text, not as a date; quotes make that plain',
    ]);
    expect(
      warningsOf(
        'exec: {http: {url: "http://a", body: &b {x: 0755}}}',
        'onInterrupt: probe',
        'probe: {http: {url: "http://b", body: *b}}',
      ),
    ).toHaveLength(1);
  });

  it('does not cut a long text into the terminal whole', () => {
    const { warnings } = read(`2026-01-31 ${'x'.repeat(500)}`);
    expect(warnings[0]?.length).toBeLessThan(250);
  });
});

describe('output', () => {
  it.each(['json', 'text'])('may be %s with a command or an http call', (mode) => {
    expect(warningsOf('exec: {command: [a]}', `output: ${mode}`)).toEqual([]);
    expect(warningsOf('exec: {http: {url: "http://a"}}', `output: ${mode}`)).toEqual([]);
  });

  it('is rejected with a handler, and when it is neither', () => {
    expect(() => warningsOf('exec: {handler: a}', 'output: json')).toThrow(
      'a.yaml:7 cell charge: output is only used with a command or an http call: a handler returns its output',
    );
    expect(() => warningsOf('exec: {command: [a]}', 'output: jsno')).toThrow(
      'a.yaml:7 cell charge: output must be one of json, text, not "jsno"; did you mean json?',
    );
    expect(() => warningsOf('await: {claim: a, statuses: [b]}', 'output: json')).toThrow(
      /output is not a field here/,
    );
  });
});
