import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { run } from '../../../cli/program.ts';
import { freePort } from '../../../tools/stack/free-port.ts';
import { TestTerminal } from '../../harness/test-terminal.ts';

/** A directory for temporary files, so that what a verb leaves behind is seen. */
let dir: string;
const before = process.env['TMPDIR'];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'leasehold-usage-'));
  process.env['TMPDIR'] = dir;
});
afterEach(() => {
  process.env['TMPDIR'] = dir;
});
afterAll(async () => {
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
  await rm(dir, { recursive: true, force: true });
});

async function failing(line: readonly string[], env: Record<string, string> = {}) {
  const terminal = new TestTerminal(env);
  const code = await run([...line, '--json'], terminal);
  expect(terminal.outLines).toHaveLength(1);
  const { error } = JSON.parse(terminal.outText) as { error: { code: string; message: string } };
  return { code, error, err: terminal.errText };
}

// The first import of a client's package takes seconds on a busy machine.
describe('bad usage is named before anything starts, with what to do, and exits 2', () => {
  it.each<[line: string, message: RegExp]>([
    ['advnace x', /unknown command 'advnace'[\s\S]*Did you mean advance\?/],
    ['help advnace', /unknown command 'advnace'[\s\S]*Did you mean advance\?/],
    ['advnace --help', /unknown command 'advnace'[\s\S]*Did you mean advance\?/],
    ['runbook psuh', /unknown command 'psuh'[\s\S]*Did you mean push\?/],
    ['chaos --duration soon', /--duration.*such as 200ms, 10s, 5m or 1h/],
    ['chaos --seed x', /--seed.*whole number from 0 to 999999999/],
    ['chaos --faults nope', /^--faults: there is no fault nope; the faults are all, /],
    ['chaos --replicas 10', /^--replicas must be 9 at most, not 10/],
    ['chaos --lease-ttl 1', /^--lease-ttl must be 2 to 60 seconds, not 1/],
    [
      'chaos --out /dev/null/nope',
      /^--out: \/dev\/null\/nope cannot be written to .*; name a directory/,
    ],
    [
      'chaos --report /nope/r.html',
      /^--report: \/nope\/r\.html cannot be .*; create its directory/,
    ],
    ['chaos --report /', /^--report: \/ is a directory; name a file/],
    ['chaos --faketime /nope', /^--faketime: there is no file \/nope; install libfaketime/],
    ['chaos --nats nats://127.0.0.1:1', /^--nats needs --attach/],
    ['chaos --replica-pid 4711', /^--replica-pid needs --attach/],
    ['chaos --attach --replica-pid 999999999', /^--replica-pid 999999999: no such process/],
    ['chaos --attach --faketime /x', /^--faketime is for replicas that chaos starts; remove it/],
    ['chaos --attach', /^LEASEHOLD_DATABASE_URL \(or --database\) is not set; set it to/],
    ['bench --scenario nope', /--scenario.*all, or some of throughput,/],
    ['bench --agents 0', /--agents.*whole numbers from 1 to 1000/],
    ['bench --replicas 17', /^--replicas must be 16 at most, not 17/],
    ['bench --duration 100ms', /^--duration must be 200ms at least/],
    ['bench --rounds 3', /^--rounds needs --compare/],
    ['bench --quick --full', /--quick.*cannot be used with.*--full/],
    ['bench --out /dev/null/nope', /^--out: \/dev\/null\/nope cannot be written to/],
    [
      'bench --compare . --scenario rows',
      /^--scenario: --compare measures throughput and fresh, not rows; leave it out/,
    ],
    ['bench --compare /nope', /^--compare: \/nope has no compiled leasehold.*npm run build/],
    ['dev --replicas 0', /--replicas.*whole number of 1 or more/],
    ['dev --replicas 100', /^--replicas must be 99 at most, not 100/],
    ['dev --replicas 1 --show', /^--replicas must be 2 or more for --show/],
    ['dev --nats-port 70000', /--nats-port.*a port from 1 to 65535/],
    [
      'dev --nats-port 4222 --nats nats://127.0.0.1:1',
      /^--nats-port is for a server that dev starts/,
    ],
  ])('%s', { timeout: 60_000 }, async (line, message) => {
    const { code, error, err } = await failing(line.split(' '));
    expect(error).toEqual({ code: 'invalid', message: expect.stringMatching(message) as string });
    expect(code).toBe(2);
    expect(err).toMatch(new RegExp(message.source.replace(/^\^/, '')));
    // Nothing has been created either.
    expect(await readdir(dir)).toEqual([]);
  });

  it('no verb', async () => {
    const { code, error, err } = await failing([]);
    expect([code, error.message]).toEqual([2, 'no verb is named']);
    expect(err).toContain('Run "leasehold help VERB"');
  });

  it.each(['help', 'help help', 'help advance'])(
    'but not %s, which prints help and exits 0',
    async (line) => {
      const terminal = new TestTerminal();
      expect(await run(line.split(' '), terminal)).toBe(0);
      expect(terminal.outText).toMatch(/^Usage: leasehold/);
      expect(terminal.errText).toBe('');
    },
  );

  it('all at once', async () => {
    const { err } = await failing('chaos --faults nope --lease-ttl 1 --replicas 10'.split(' '));
    for (const flag of ['--faults', '--lease-ttl', '--replicas']) expect(err).toContain(flag);
  });

  it('one port for two servers', async () => {
    const port = String(await freePort());
    const { code, err } = await failing(['dev', '--etcd-port', port, '--ledger-port', port]);
    expect([code, err]).toEqual([
      2,
      `--ledger-port ${port}: it is etcd's port too; choose another port`,
    ]);
  });

  it.each(['dev', 'chaos', 'bench'])('%s with a variable that names no server', async (verb) => {
    for (const [name, value, message] of [
      ['LEASEHOLD_STACK_ROUTES', 'car', /^LEASEHOLD_STACK_ROUTES: unknown route "car"; use/],
      ['LEASEHOLD_ETCD_BIN', '/nope', /^LEASEHOLD_ETCD_BIN=\/nope: .*; correct or unset it/],
    ] as const) {
      const { code, error } = await failing([verb], { [name]: value });
      expect(error.message).toMatch(message);
      expect(code).toBe(2);
      for (const left of await readdir(dir)) await rm(join(dir, left), { recursive: true });
    }
  });

  it.each(['chaos', 'bench'])('%s without a directory for temporary files', async (verb) => {
    process.env['TMPDIR'] = join(dir, 'nope');
    const { code, err } = await failing([verb]);
    expect(err).toMatch(/^TMPDIR: .*\/nope cannot be written to .*; name a directory that can/);
    expect(code).toBe(2);
  });
});

describe('servers that dev is to use and that do not answer', () => {
  it.each([
    ['LEASEHOLD_NATS_URLS', 'nats://127.0.0.1:1,nats://127.0.0.1:2', '--nats'],
    ['LEASEHOLD_ETCD_URLS', 'http://127.0.0.1:1', '--etcd'],
    ['LEASEHOLD_OWNER_DATABASE_URL', 'postgres://x:secret@127.0.0.1:1/x', '--owner-database'],
  ])('%s are named at once, and dev exits 5', async (variable, value, flag) => {
    const { code, error, err } = await failing(['dev'], { [variable]: value });
    expect(error.message).toContain(`${variable} (or ${flag}) names a server that does not answer`);
    expect(err).toMatch(/^the stack could not be started: .*127\.0\.0\.1:1.*dev starts one$/);
    expect(err).not.toContain('secret');
    expect([code, error.code]).toEqual([5, 'unavailable']);
  });
});

it('a port that another process listens on is named', async () => {
  const { createServer } = await import('node:net');
  const port = await freePort();
  const server = createServer().listen(port, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { code, err } = await failing(['dev', '--nats-port', String(port)]);
  server.close();
  expect([code, err]).toEqual([
    2,
    `--nats-port ${port}: another process listens on this port; stop it, or choose another port`,
  ]);
});

it('lint of a file prints its errors and its warnings, in the order of the lines', async () => {
  const file = join(dir, 'book.yaml');
  await writeFile(
    file,
    [
      'runbook: a',
      'version: 1',
      'cells:',
      '  - id: charge',
      '    exec: {http: {method: FETCH, url: "http://a"}}',
      '  - {id: b, exec: {http: {url: "http://a", body: {day: 2030-01-31}}}}',
      '  - {id: c, exec: {http: {url: "http://a", body: 12345678901234567890}}}',
      '  - {id: d, exec: {handler: h}, timeout: soon}',
    ].join('\n'),
  );
  const terminal = new TestTerminal();
  const code = await run(['runbook', 'lint', file], terminal);
  await rm(file);
  expect(code).toBe(2);
  expect(terminal.errLines.map((line) => line.replace(file, 'F').slice(0, 30))).toEqual([
    expect.stringMatching(/^F:5 cell charge: exec\.http/),
    expect.stringMatching(/^warning: F:6 cell b: exec\.http/),
    expect.stringMatching(/^F:7: 1234/),
    expect.stringMatching(/^F:8 cell d: timeout/),
  ]);
});
