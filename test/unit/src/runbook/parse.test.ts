import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { formatProblem } from '../../../../src/runbook/problem.ts';
import {
  parseRunbook,
  parseRunbookValue,
  type ParsedRunbook,
} from '../../../../src/runbook/parse.ts';
import { REFUND, withCell } from './runbook-texts.ts';

/** The problems of a text, one line each. */
function problemsOf(text: string, format: 'yaml' | 'json' = 'yaml'): string[] {
  const parsed = parseRunbook(text, { file: 'a.yaml', format });
  if (parsed.ok) throw new Error('the runbook was accepted');
  return parsed.problems.map(formatProblem);
}

describe('a runbook file', () => {
  it('from the contract is accepted as it is, with a warning that an input chooses the host', () => {
    const parsed = parseRunbook(REFUND, { file: 'refund.yaml', format: 'yaml' });
    expect(parsed).toMatchObject({
      ok: true,
      warnings: [
        {
          cellId: 'charge',
          field: 'exec.http.url',
          message:
            'lets ${inputs.ledger} choose the host: write the host, ' +
            'or limit it by LEASEHOLD_HTTP_ALLOW on the replicas',
        },
      ],
    });
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
    expect(parseRunbook(text, { file: 'a.json', format: 'json' })).toMatchObject({
      ok: true,
      runbook: yaml.runbook,
    });
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
      'a.yaml:3: cells have no exec or run cell, so this runbook does nothing',
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
    ['a second document', `${one}\n---\n${one}`, /^a\.yaml:7: .*a second one begins here/],
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
    ...['12345678901234567890', '1e400', '0.10000000000000000555', '0xFFFFFFFFFFFFFFFF'].map(
      (number): [string, string, RegExp] => [
        `the number ${number}, which reading would change`,
        withCell(`exec: {http: {url: "http://a", body: ${number}}}`),
        new RegExp(`^a\\.yaml:6: ${number} cannot be kept exactly as a number; write it in quotes`),
      ],
    ),
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

describe('a number in a JSON file', () => {
  const text = (number: string): string =>
    `{"runbook": "a", "version": 1, "cells": [\n{"id": "x", "exec": {"http": {"url": "http://a", "body": ${number}}}}]}`;

  it('that reading would change is rejected with its place', () => {
    for (const number of ['12345678901234567890', '1e400', '-0.10000000000000000555'])
      expect(problemsOf(text(number), 'json')).toEqual([
        `a.yaml:2: ${number} cannot be kept exactly as a number; write it in quotes`,
      ]);
  });

  it('is otherwise kept, and its look needs no warning', () => {
    const parsed = parseRunbook(text('[1.10, 1e5, 9007199254740992]'), {
      file: 'a.json',
      format: 'json',
    });
    expect(parsed).toMatchObject({
      ok: true,
      warnings: [],
      runbook: { cells: [{ exec: { http: { body: [1.1, 100_000, 9_007_199_254_740_992] } } }] },
    });
  });
});

describe('no input makes the parser throw', () => {
  /** Whether the text is accepted, or refused with at least one problem. */
  const answers = (parsed: ParsedRunbook): boolean => parsed.ok || parsed.problems.length > 0;

  it('as text', () => {
    const tokens = REFUND.split(/(?<=[\s:{}[\],"])/);
    const piece = fc.constantFrom(...tokens, '&a', '*a', '---', '!x', '\t', '\u0000', '|', '>');
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
