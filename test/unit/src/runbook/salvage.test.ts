import { describe, expect, it } from 'vitest';

import { formatProblem } from '../../../../src/runbook/problem.ts';
import { parseRunbook } from '../../../../src/runbook/parse.ts';
import { withCell } from './runbook-texts.ts';

function problemsOf(text: string): string[] {
  const parsed = parseRunbook(text, { file: 'a.yaml', format: 'yaml' });
  if (parsed.ok) throw new Error('the runbook was accepted');
  return parsed.problems.map(formatProblem);
}

describe('the problems of one cell are reported together, whatever kind they are', () => {
  it.each<[what: string, text: string, problems: string[]]>([
    [
      'a field of the wrong form, and names that do not exist in others',
      withCell(
        'exec: {http: {method: FETCH, url: "https://x/${inputs.nope}"}}',
        'expect: [{status: many}, {exitCode: 0}, {pointer: /a, equals: "${outputs.gone.a}"}]',
        'timeout: soon',
        'onInterrupt: probe',
      ),
      [
        'exec.http.method',
        'inputs.nope',
        'expect.0',
        'expect.1.exitCode',
        'outputs.gone',
        'timeout',
        'probe',
      ],
    ],
    [
      'a mistyped field, and a name in an argument',
      withCell('exec: {command: [echo, "${inputs.nope}"]}', 'timeuot: 1s'),
      ['inputs.nope', 'timeuot'],
    ],
    [
      'a probe of no form, a policy without meaning, and a name inside the probe',
      withCell(
        'exec: {handler: a}',
        'onInterrupt: sometimes',
        'probe: {commnd: ["${inputs.nope}"]}',
        'expect: [{status: 200}]',
      ),
      ['onInterrupt', 'probe', 'inputs.nope', 'expect.0.status'],
    ],
    [
      'checks of which some cannot be read',
      withCell(
        'assert: [{cell: gone, pointer: /a, equals: 1}, {cell: 7}, {cell: lost, pointer: /a, exists: true}]',
      ),
      ['gone', 'assert.1', 'lost'],
    ],
    [
      'two types, and names in both',
      withCell(
        'await: {claim: "${inputs.nope}", statuses: [a]}',
        'exec: {command: ["${inputs.none}"]}',
      ),
      ['exactly one', 'inputs.nope', 'inputs.none'],
    ],
    [
      'an invalid id, and a name that does not exist',
      'runbook: r\nversion: 1\ncells:\n  - id: "a b"\n    exec: {command: ["${inputs.nope}"]}\n',
      ['id', 'inputs.nope'],
    ],
  ])('%s', (_what, text, parts) => {
    const problems = problemsOf(text);
    const unseen = parts.filter((part) => !problems.some((problem) => problem.includes(part)));
    expect(unseen).toEqual([]);
    expect(problems).toHaveLength(parts.length);
  });
});
