import { describe, expect, it } from 'vitest';

import { run } from '../../../cli/program.ts';
import { TestTerminal } from '../../harness/test-terminal.ts';

async function cli(line: string[], env: Record<string, string> = {}) {
  const terminal = new TestTerminal(env);
  const code = await run(line, terminal);
  return { code, out: terminal.outText, err: terminal.errText };
}

describe('the command line', () => {
  it('names every verb of the contract in its help, and exits 0', async () => {
    const { code, out } = await cli(['--help']);
    expect(code).toBe(0);
    const verbs = [
      'dev',
      'migrate',
      'advancer',
      'runbook',
      'start',
      'advance',
      'status',
      'list',
      'watch',
    ];
    for (const verb of [...verbs, 'claim', 'decide', 'leases', 'replicas']) {
      expect(out).toMatch(new RegExp(`^  ${verb}\\b`, 'm'));
    }
  });

  it('names every flag that is missing at once, and how to get help', async () => {
    const { code, err } = await cli(['decide', 'a', '--as', 'rerun']);
    expect([code, err]).toEqual([
      2,
      '--cell, --attempt and --reason are missing; run "leasehold decide --help" for usage',
    ]);
  });

  it.each(['24h', '24h ago', '7d', '30 d ago', '2030-01-31', '2030-01-31T12:00:00Z'])(
    'audit takes %j as a time',
    async (since) => {
      // It gets as far as the database, which is not named.
      const { err } = await cli(['audit', '--since', since]);
      expect(err).toMatch(/^LEASEHOLD_DATABASE_URL/);
    },
  );

  it('says in the help of dev which variables choose handlers and ports', async () => {
    const { out } = await cli(['dev', '--help']);
    for (const text of ['LEASEHOLD_HANDLERS', '--data <dir>', '--etcd-port', '--nats-port'])
      expect(out).toContain(text);
  });

  it('prints its version', async () => {
    const { code, out } = await cli(['--version']);
    expect([code, out]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+/)]);
  });

  it.each([
    ['no verb', []],
    ['an unknown verb', ['advnace', 'x']],
    ['a missing argument', ['status']],
    ['an argument too many', ['status', 'a', 'b']],
    ['an unknown flag', ['status', 'a', '--nope']],
    ['an id with a star', ['advance', 'a*']],
    ['an id with a line break', ['advance', 'a\r\nPUB x']],
    ['no runbook', ['start', 'a']],
    ['a version that is no number', ['start', 'a', '--runbook', 'r', '--version', '0']],
    ['an input without a name', ['start', 'a', '--runbook', 'r', '--input', '=x']],
    ['the same input twice', ['start', 'a', '--runbook', 'r', '--input', 'x=1', '--input', 'x=2']],
    ['inputs that are no object', ['start', 'a', '--runbook', 'r', '--inputs', '[1]']],
    ['a duration without a unit', ['advance', 'a', '--expires-in', '30']],
    ['no cells at all', ['advance', 'a', '--max-cells', '0']],
    ['evidence that is not JSON', ['claim', 'c', 'ok', '--evidence', '{x']],
    [
      'an unknown verdict',
      ['decide', 'a', '--cell', 'c', '--attempt', '1', '--as', 'fine', '--reason', 'x'],
    ],
    [
      'a decision without a reason',
      ['decide', 'a', '--cell', 'c', '--attempt', '1', '--as', 'rerun'],
    ],
    ['an unknown status', ['list', '--status', 'busy', '--database', 'postgres://x']],
    ['no database', ['list']],
    ['no etcd', ['leases']],
    ['a NATS URL that is none', ['status', 'a', '--nats', 'localhost']],
    ['a runbook file that is not there', ['runbook', 'lint', '/nonexistent/x.yaml']],
  ])('exits 2 for %s, and reports it', async (_what, line) => {
    const { code, err } = await cli(line);
    expect(code).toBe(2);
    expect(err).not.toBe('');
  });

  it('reports bad usage in JSON too, with --json', async () => {
    const { out } = await cli(['start', 'a', '--json']);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'invalid' } });
  });

  it.each([
    [['status', 'a', '--json', '--nats', 'nats://127.0.0.1:1']],
    [['--nats', 'nats://127.0.0.1:1', '--json', 'status', 'a']],
    [['claim', 'c', 'ok', '--json', '--nats', 'nats://127.0.0.1:1']],
  ])('exits 5 with an error where NATS is not there: %j', async (line) => {
    const { code, out, err } = await cli(line);
    expect(code).toBe(5);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'unavailable' } });
    expect(err).toContain('127.0.0.1:1');
  });

  it('answers an advance with a receipt, also where NATS is not there', async () => {
    const line = ['advance', 'a', '--request-id', 'q', '--json', '--nats', 'nats://127.0.0.1:1'];
    const { code, out } = await cli(line);
    expect(code).toBe(5);
    expect(JSON.parse(out)).toMatchObject({
      requestId: 'q',
      instanceId: 'a',
      outcome: 'unavailable',
      steps: [],
    });
  });

  it('prefers a flag to the environment', async () => {
    const env = { LEASEHOLD_NATS_URLS: 'nats://127.0.0.1:2' };
    expect((await cli(['status', 'a', '--nats', 'nats://127.0.0.1:1'], env)).err).toContain(
      '127.0.0.1:1 ',
    );
    expect((await cli(['status', 'a'], env)).err).toContain('127.0.0.1:2 ');
  });

  it('names the flag with the variable', async () => {
    expect((await cli(['list'])).err).toMatch(
      /^LEASEHOLD_DATABASE_URL \(or --database\) is not set; set it to/,
    );
  });

  it('warns about a variable that nothing reads', async () => {
    const { err } = await cli(['--version'], { LEASEHOLD_NATS_URL: 'x' });
    expect(err).toContain('LEASEHOLD_NATS_URL is not a variable of Leasehold');
    expect(err).toContain('did you mean LEASEHOLD_NATS_URLS?');
  });

  it('needs no server to lint', async () => {
    const { code, err } = await cli(['runbook', 'lint', 'package.json', '--json']);
    expect(code).toBe(2);
    expect(err).toContain('package.json');
  });
});
