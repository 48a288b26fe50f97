import { describe, expect, it } from 'vitest';

import { formatProblem } from '../../../../src/runbook/problem.ts';
import { parseRunbook } from '../../../../src/runbook/parse.ts';
import { withCell } from './runbook-texts.ts';

/** What is said of a cell, one line each, and whether the runbook is accepted. */
function lint(...lines: string[]): { accepted: boolean; said: string[] } {
  const parsed = parseRunbook(withCell(...lines), { file: 'a.yaml', format: 'yaml' });
  const problems = parsed.ok ? parsed.warnings : parsed.problems;
  return { accepted: parsed.ok, said: problems.map(formatProblem) };
}

const url = (text: string): string => `exec: {http: {url: "${text}"}}`;
const command = (text: string): string => `exec: {command: ${text}}`;

describe('lint warns', () => {
  it.each([
    '${inputs.order}',
    '${inputs.order}/effects',
    '${inputs.order}://a/effects',
    'https://${inputs.order}.example/effects',
  ])('when an input chooses the host: %s', (text) => {
    expect(lint(url(text))).toEqual({
      accepted: true,
      said: [
        'a.yaml:6 cell charge: exec.http.url lets ${inputs.order} choose the host: ' +
          'write the host, or limit it by LEASEHOLD_HTTP_ALLOW on the replicas',
      ],
    });
  });

  it('of the URL and the arguments of a probe, too', () => {
    const { said } = lint(
      'exec: {handler: a}',
      'onInterrupt: probe',
      'probe: {command: [find, "${inputs.order}"]}',
    );
    expect(said).toEqual([
      'a.yaml:8 cell charge: probe.command.1 begins with ${inputs.order}, which is read as an ' +
        'option if its value begins with -: put -- before it, or write --name=${inputs.order}',
    ]);
  });

  it('when a value chooses the program', () => {
    expect(lint(command('["${inputs.order}"]')).said).toEqual([
      'a.yaml:6 cell charge: exec.command.0 lets ${inputs.order} choose the program: ' +
        'write the program',
    ]);
  });
});

describe('the variables and the directory of a command', () => {
  const withEnv = (env: string): string => `exec: {command: [x], env: ${env}}`;

  it('may have placeholders', () => {
    const text =
      'exec: {command: [x], env: {ORDER: "of ${inputs.order}"}, cwd: "/srv/${inputs.order}"}';
    expect(lint(text)).toEqual({ accepted: true, said: [] });
  });

  it.each([
    [
      '{"MY-NAME": a}',
      'exec.env.MY-NAME is not the name of a variable: write letters, digits and _',
    ],
    [
      '{LEASEHOLD_ATTEMPT: a}',
      'exec.env.LEASEHOLD_ATTEMPT is reserved: what begins with LEASEHOLD_ is set by the replica',
    ],
    [
      '{A: "${inputs.ordr}"}',
      'exec.env.A refers to ${inputs.ordr}, but ordr is not declared (inputs: order); did you mean order?',
    ],
    ['{A: 1}', 'exec.env.A must be text, not the number 1'],
  ])('are refused in %s', (env, said) => {
    expect(lint(withEnv(env))).toEqual({
      accepted: false,
      said: [`a.yaml:6 cell charge: ${said}`],
    });
  });

  it('belong to a command only', () => {
    expect(lint('exec: {handler: a, env: {A: b}}').accepted).toBe(false);
    expect(lint('exec: {command: [x], cwd: ""}').accepted).toBe(false);
  });
});

describe('lint does not warn', () => {
  it.each([
    url('https://a.example/orders/${inputs.order}/cancel?q=${inputs.order}'),
    url('https://a.example/'),
    url('https://a.example/$${x}'),
    command('[cancel, --, "${inputs.order}"]'),
    command('[cancel, "--order=${inputs.order}"]'),
    command('[cancel, "order-${inputs.order}"]'),
  ])('of a value in a safe place: %s', (line) => {
    expect(lint(line)).toEqual({ accepted: true, said: [] });
  });
});

describe('lint rejects', () => {
  it.each([
    ['https://a.example:${inputs.order}/', 'stands in the port or the IP address'],
    ['https://${inputs.order}@a.example/', 'stands in the user or password of the URL'],
    ['${inputs.order}${inputs.order}', 'continues the host that another placeholder begins'],
    ['a.example/${inputs.order}', 'stands before ://'],
  ])('a placeholder that can never be filled: %s', (text, why) => {
    const { accepted, said } = lint(url(text));
    expect(accepted).toBe(false);
    expect(said.join()).toContain(`cannot be filled: \${inputs.order} ${why}`);
  });
});
