import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';

import { exitCodeOfError } from '../../../cli/exit-code.ts';
import { reportError } from '../../../cli/failure.ts';
import type { FailureCode } from '../../../cli/failure.ts';
import { run } from '../../../cli/program.ts';
import { LeaseholdError } from '../../../src/agent/error.ts';
import { ConfigError } from '../../../src/config/config.ts';
import { TestTerminal } from '../../harness/test-terminal.ts';

function named(name: string): Error {
  return Object.assign(new Error('the reason'), { name });
}

function coded(error: Error, code: string): Error {
  return Object.assign(error, { code });
}

function codeIn(terminal: TestTerminal): FailureCode {
  expect(terminal.outLines).toHaveLength(1);
  const [line = ''] = terminal.outLines;
  return (JSON.parse(line) as { error: { code: FailureCode } }).error.code;
}

// The first import of a client's package takes seconds on a busy machine.
describe('a failure', { timeout: 60_000 }, () => {
  it.each<[what: string, error: unknown, code: FailureCode, exitCode: number]>([
    ['an unknown error', new Error('the reason'), 'failure', 1],
    ['a thrown value', 'the reason', 'failure', 1],
    ['an error of Postgres', coded(new Error('the reason'), '42501'), 'failure', 1],
    ['bad usage', new CommanderError(1, 'commander.x', 'error: the reason'), 'invalid', 2],
    ['an unusable environment', new ConfigError(['the reason']), 'invalid', 2],
    ['a conflict', new LeaseholdError({ code: 'conflict', message: 'the reason' }), 'conflict', 3],
    [
      'no answer',
      new LeaseholdError({ code: 'unavailable', message: 'the reason' }),
      'unavailable',
      5,
    ],
    ['no Postgres', named('LogUnavailable'), 'unavailable', 5],
    ['no etcd', named('StoreUnavailable'), 'unavailable', 5],
    ['no connection', coded(new Error('the reason'), 'ECONNREFUSED'), 'unavailable', 5],
    [
      'no connection to any address',
      coded(new AggregateError([new Error('the reason')]), 'ECONNREFUSED'),
      'unavailable',
      5,
    ],
  ])('has one code in JSON and in the exit code: %s', (_what, error, code, exitCode) => {
    const terminal = new TestTerminal();
    expect(reportError(terminal, true, error)).toBe(exitCode);
    expect(codeIn(terminal)).toBe(code);
    expect(exitCodeOfError(code)).toBe(exitCode);
    expect(terminal.outText).toContain('the reason');
    // Commander prints its errors itself.
    const printed = error instanceof CommanderError ? '' : 'the reason';
    expect(terminal.errText).toContain(printed);
  });

  it('prints nothing on stdout without --json', () => {
    const terminal = new TestTerminal();
    expect(reportError(terminal, false, new Error('the reason'))).toBe(1);
    expect(terminal.outLines).toEqual([]);
    expect(terminal.errText).toBe('error: the reason');
  });

  it('keeps the field that a reply names', () => {
    const terminal = new TestTerminal();
    const error = new LeaseholdError({ code: 'invalid', message: 'no', field: 'inputs.a' });
    expect(reportError(terminal, true, error)).toBe(2);
    expect(JSON.parse(terminal.outText)).toEqual(error.toJSON());
  });

  it('of a server that cannot be reached says so, whichever verb meets it', async () => {
    const url = 'postgres://x@127.0.0.1:1/x';
    for (const line of [
      ['migrate', '--owner-database', url],
      ['list', '--database', url],
      ['audit', '--database', url],
      ['leases', '--etcd', 'http://127.0.0.1:1'],
    ]) {
      const terminal = new TestTerminal();
      expect(await run([...line, '--json'], terminal), `of ${line[0]}`).toBe(5);
      expect(codeIn(terminal), `of ${line[0]}`).toBe('unavailable');
      expect(terminal.errText).toContain('check that');
    }
  });
});
