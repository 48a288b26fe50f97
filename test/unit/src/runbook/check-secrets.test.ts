import { describe, expect, it } from 'vitest';

import { parseRunbook } from '../../../../src/runbook/parse.ts';
import { formatProblem } from '../../../../src/runbook/problem.ts';
import { withCell } from './runbook-texts.ts';

/** What is said of a cell, one line each, and whether the runbook is accepted. */
function lint(...lines: string[]): { accepted: boolean; said: string[] } {
  const parsed = parseRunbook(withCell(...lines), { file: 'a.yaml', format: 'yaml' });
  const problems = parsed.ok ? parsed.warnings : parsed.problems;
  return { accepted: parsed.ok, said: problems.map(formatProblem) };
}

const http = (text: string): string => `exec: {http: ${text}}`;
const S = '${secrets.DEPLOY}';

describe('a secret may stand', () => {
  it.each([
    ['a header', http(`{url: "https://a.example", headers: {authorization: "Bearer ${S}"}}`)],
    ['a body', http(`{url: "https://a.example", body: {deep: ["${S}"]}}`)],
    ['the path of a URL', http(`{url: "https://a.example/hooks/${S}"}`)],
    ['the query of a URL', http(`{url: "https://a.example/?key=${S}"}`)],
    ['a variable', `exec: {command: [a], env: {KEY: "${S}"}}`],
    ['stdin', `exec: {command: [a], stdin: "${S}"}`],
  ])('in %s', (_, line) => {
    expect(lint(line)).toEqual({ accepted: true, said: [] });
  });

  it('in a probe and in an undo, as in an effect', () => {
    const probe = `probe: {command: [a], env: {KEY: "${S}"}}`;
    expect(lint('exec: {handler: a}', 'onInterrupt: probe', probe)).toEqual({
      accepted: true,
      said: [],
    });
    const bare = `undo: {command: [a], env: {KEY: "${S}"}}`;
    expect(lint('exec: {handler: a}', bare)).toEqual({ accepted: true, said: [] });
    const whole = `undo: {exec: {http: {url: "https://a.example", headers: {a: "${S}"}}}}`;
    expect(lint('exec: {handler: a}', whole)).toEqual({ accepted: true, said: [] });
  });

  it('in an argument, with a warning that others can see it', () => {
    expect(lint(`exec: {command: [a, "--key=${S}"]}`)).toEqual({
      accepted: true,
      said: [
        "a.yaml:6 cell charge: exec.command.1 shows ${secrets.DEPLOY} to every user of the replica's " +
          'machine, who can list its processes: pass it in env or stdin',
      ],
    });
  });
});

describe('a secret is rejected, with the reason,', () => {
  it.each([
    ['a claim', `await: {claim: "${S}", statuses: [a]}`, 'claims are recorded'],
    ['a status', `await: {claim: a, statuses: ["${S}"]}`, 'claims are recorded'],
    ['an assert', `assert: [{input: /order, equals: "${S}"}]`, 'what a check looks at is recorded'],
    [
      'the inputs of a run',
      `run: {runbook: other, inputs: {key: "${S}"}}`,
      'the inputs of an instance are recorded; the other runbook can use the secret itself',
    ],
  ])('in %s', (_, line, why) => {
    const { accepted, said } = lint(line);
    expect(accepted).toBe(false);
    expect(said.join('\n')).toContain(`${S}, but secrets are for effects only: ${why}`);
  });

  it('in a condition and in an expectation', () => {
    const { said } = lint(
      'exec: {handler: a}',
      `when: [{input: /order, equals: "${S}"}]`,
      `expect: [{pointer: /a, equals: "${S}"}]`,
    );
    expect(said.join('\n')).toContain('secrets are for effects only: what a check looks at is rec');
    expect(said.join('\n')).toContain(
      'secrets are for effects only: what was expected is recorded',
    );
  });

  it('in a directory, and as the program', () => {
    const { accepted, said } = lint(`exec: {command: ["${S}"], cwd: "/${S}"}`);
    expect(accepted).toBe(false);
    expect(said.join('\n')).toContain('a secret cannot be the program; pass it in env or stdin');
    expect(said.join('\n')).toContain('a directory is no secret; pass it in env or stdin');
  });

  it.each(['https://${secrets.DEPLOY}.example/', '${secrets.DEPLOY}', '${secrets.DEPLOY}/x'])(
    'in the host of a URL: %s',
    (url) => {
      const { accepted, said } = lint(http(`{url: "${url}"}`));
      expect(accepted).toBe(false);
      expect(said).toEqual([
        'a.yaml:6 cell charge: exec.http.url cannot be filled: ${secrets.DEPLOY} is a secret and ' +
          'stands in the host: it can be in the path, the query, a header or the body',
      ]);
    },
  );

  it('in text, unless it is only mentioned', () => {
    expect(lint(`prose: "it needs ${S}"`)).toMatchObject({
      accepted: false,
      said: [
        expect.stringContaining(
          'prose refers to ${secrets.DEPLOY}, but text is shown as it is; ' +
            'write $${secrets.DEPLOY} to mention it',
        ),
      ],
    });
    expect(lint(`prose: "it needs $${S}"`).said.join()).not.toContain('secrets');
  });

  it.each(['${secrets}', '${secrets.A.b}', '${secrets.a!}', '${secret.A}'])(
    'that is no name: %s',
    (text) => {
      const { accepted, said } = lint(`exec: {command: [a], env: {KEY: "${text}"}}`);
      expect(accepted).toBe(false);
      expect(said.join('\n')).toContain('${secrets.NAME}');
    },
  );
});
