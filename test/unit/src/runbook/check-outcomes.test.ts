import { describe, expect, it } from 'vitest';

import { parseRunbookValue } from '../../../../src/runbook/parse.ts';

const URL = 'http://h/x';

/** Everything that is found in a runbook of one cell, as `field message`. */
function findings(cell: object): { errors: string[]; warnings: string[] } {
  const parsed = parseRunbookValue(
    { runbook: 'b', version: 1, cells: [{ id: 'a', ...cell }] },
    'b.yaml',
  );
  const lines = (problems: { field?: string; message: string }[]): string[] =>
    problems.map(({ field, message }) => `${field} ${message}`);
  return parsed.ok
    ? { errors: [], warnings: lines(parsed.warnings) }
    : { errors: lines(parsed.problems), warnings: [] };
}

const NOTHING = { errors: [], warnings: [] };

describe('moved statuses and exit codes', () => {
  it('are accepted next to what they are about', () => {
    const http = { url: URL, refused: [500, 503], notBegun: [502], unknown: [409] };
    expect(findings({ exec: { http } })).toEqual(NOTHING);
    const exec = { command: ['x'], refusedExitCodes: [137], unknownExitCodes: [1] };
    expect(findings({ exec })).toEqual(NOTHING);
  });

  it.each([
    [{ http: { url: URL, refused: [99] } }, /^exec\.http\.refused\.0 must be at least 100$/],
    [{ http: { url: URL, unknown: [] } }, /^exec\.http\.unknown must not be empty$/],
    [{ http: { url: URL, notBegun: 503 } }, /^exec\.http\.notBegun must be a list/],
    [{ http: { url: URL, refuse: [500] } }, /^exec\.http\.refuse is not a field here/],
    [
      { command: ['x'], unknownExitCodes: [256] },
      /^exec\.unknownExitCodes\.0 must be at most 255$/,
    ],
    [{ command: ['x'], refusedExitCodes: ['1'] }, /^exec\.refusedExitCodes\.0 must be a .*number/],
    [{ handler: 'h', refusedExitCodes: [1] }, /refusedExitCodes/],
    [{ http: { url: URL }, refusedExitCodes: [1] }, /refusedExitCodes/],
  ])('%j is an error that names the field', (exec, message) => {
    expect(findings({ exec }).errors).toEqual([expect.stringMatching(message)]);
  });

  it('have one meaning each', () => {
    const http = { url: URL, refused: [500], unknown: [409, 500] };
    expect(findings({ exec: { http } }).errors).toEqual([
      'exec.http.unknown.1 500 is in refused already; it can have one meaning only',
    ]);
    const exec = { command: ['x'], refusedExitCodes: [3, 3] };
    expect(findings({ exec }).errors).toEqual([
      'exec.refusedExitCodes.1 3 is in refusedExitCodes already; it can have one meaning only',
    ]);
  });

  it('have no place in a probe', () => {
    const probe = { command: ['p'], refusedExitCodes: [1] };
    const cell = { exec: { handler: 'h' }, onInterrupt: 'probe', probe };
    expect(findings(cell).errors).toEqual([
      'probe.refusedExitCodes has no effect in a probe, which answers only if it succeeds',
    ]);
  });
});

describe('an expectation of an unknown outcome', () => {
  it('gets a warning that says what to add', () => {
    expect(findings({ exec: { http: { url: URL } }, expect: [{ status: 504 }] }).warnings).toEqual([
      expect.stringMatching(/^expect\.0\.status can never hold: .* add http\.refused: \[504\]$/),
    ]);
    const exec = { command: ['x'] };
    expect(findings({ exec, expect: [{ exitCode: 137 }] }).warnings).toEqual([
      expect.stringMatching(/^expect\.0\.exitCode can never hold: .* refusedExitCodes: \[137\]$/),
    ]);
  });

  it('gets none where the cell moves it, or where it is known', () => {
    const http = { url: URL, refused: [504] };
    expect(findings({ exec: { http }, expect: [{ status: 504 }] })).toEqual(NOTHING);
    expect(findings({ exec: { http: { url: URL } }, expect: [{ status: 404 }] })).toEqual(NOTHING);
  });
});

describe('a call that reads', () => {
  it.each(['GET', 'HEAD'])('(%s) without a policy gets a suggestion', (method) => {
    expect(findings({ exec: { http: { method, url: URL } } }).warnings).toEqual([
      expect.stringMatching(/^exec\.http\.method is a .* set onInterrupt: rerun$/),
    ]);
  });

  it('with a policy, or one that may change something, gets none', () => {
    for (const onInterrupt of ['hold', 'rerun'])
      expect(findings({ exec: { http: { method: 'GET', url: URL } }, onInterrupt })).toEqual(
        NOTHING,
      );
    expect(findings({ exec: { http: { method: 'PUT', url: URL } } })).toEqual(NOTHING);
    expect(findings({ exec: { http: { url: URL } } })).toEqual(NOTHING);
  });
});
