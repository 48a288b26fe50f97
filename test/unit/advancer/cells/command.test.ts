import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { CellOutcome } from '../../../../advancer/cells/cells.ts';
import type { ExecCell } from '../../../../src/runbook/runbook.ts';
import { attempt, cell, CONTEXT, Folder, run, runnerWith } from './fixture.ts';

const NODE = process.execPath;

let folder: Folder;
beforeAll(async () => {
  folder = await Folder.make();
});
afterAll(() => folder.remove());

/** Runs a shell script's text as a command. */
function sh(script: string, fields: Partial<ExecCell> = {}, options = {}): Promise<CellOutcome> {
  return run({ exec: { command: ['sh', '-c', script] }, ...fields }, options);
}

describe('a command', () => {
  it('gets inputs and outputs on stdin', async () => {
    expect(await sh('cat')).toMatchObject({
      kind: 'completed',
      output: { inputs: CONTEXT.inputs, outputs: CONTEXT.outputs },
      detail: { exitCode: 0 },
    });
  });

  it.each<[string, ExecCell['exec'], unknown]>([
    ['text as it is', { command: ['cat'], stdin: 'order ${inputs.order}\n"x"' }, 'order o-1\n"x"'],
    ['a filled number as JSON', { command: ['cat'], stdin: '${inputs.count}' }, '3'],
    ['nothing', { command: ['cat'], stdin: '' }, ''],
    ['null', { command: ['cat'], stdin: null }, 'null'],
    [
      'an object as JSON',
      { command: ['cat'], stdin: { id: '${outputs.before.id}', '${inputs.order}': ['$${'] } },
      '{"id":7,"${inputs.order}":["${"]}',
    ],
  ])('reads what its cell gives it on stdin: %s', async (_, exec, text) => {
    expect(await run({ exec, output: 'text' })).toMatchObject({
      kind: 'completed',
      output: { stdout: text },
    });
  });

  it('reads all of a large stdin, and may as well read none of it', async () => {
    const stdin = 'x'.repeat(1_000_000);
    expect(await run({ exec: { command: ['wc', '-c'], stdin }, output: 'text' })).toMatchObject({
      output: { stdout: '1000000\n' },
    });
    expect(await run({ exec: { command: ['true'], stdin } })).toMatchObject({ kind: 'completed' });
  });

  it('whose stdin cannot be filled is a failure, and nothing has run', async () => {
    const exec = { command: ['touch', folder.file('never-fed')], stdin: ['${inputs.who}'] };
    expect(await run({ exec })).toMatchObject({ kind: 'failed', class: 'notBegun' });
    expect(readdirSync(folder.path)).not.toContain('never-fed');
  });

  it('has its arguments filled in, each as one argument, without a shell', async () => {
    const command = [
      NODE,
      '-p',
      'JSON.stringify(process.argv.slice(1))',
      '${inputs.order}; exit 3',
      '${inputs.count}',
      '${outputs.before}',
      '$(id)',
    ];
    expect(await run({ exec: { command } })).toMatchObject({
      kind: 'completed',
      output: ['o-1; exit 3', '3', '{"id":7}', '$(id)'],
    });
  });

  it('whose placeholder cannot be filled is a failure, and nothing has run', async () => {
    const command = ['sh', '-c', 'echo ran > "$0"', folder.file('never'), '${inputs.who}'];
    expect(await run({ exec: { command } })).toMatchObject({
      kind: 'failed',
      class: 'notBegun',
      error: { message: '${inputs.who} cannot be filled: inputs has no who', code: 'placeholder' },
    });
    expect(readdirSync(folder.path)).not.toContain('never');
  });

  it('gives its output by its file, before anything on stdout', async () => {
    expect(await sh('echo noise; echo \'{"a": 1}\' > "$LEASEHOLD_OUTPUT_FILE"')).toMatchObject({
      output: { a: 1 },
    });
  });

  it('gives its output on stdout when that is an object or an array in JSON, else as text', async () => {
    expect(await sh('echo "[42]"')).toMatchObject({ output: [42] });
    expect(await sh('echo 42')).toMatchObject({ output: { stdout: '42\n' } });
    expect(await sh('echo null')).toMatchObject({ output: { stdout: 'null\n' } });
    expect(await sh('echo hello')).toMatchObject({ output: { stdout: 'hello\n' } });
    expect(await sh('true')).toMatchObject({ output: { stdout: '' } });
    expect(await sh('echo 1e999')).toMatchObject({ output: { stdout: '1e999\n' } });
  });

  it.each([
    ['is not JSON', 'echo hello > "$LEASEHOLD_OUTPUT_FILE"', 6, 'hello\n'],
    ['is empty', ': > "$LEASEHOLD_OUTPUT_FILE"', 0, ''],
    ['is not a regular file', 'mkfifo "$LEASEHOLD_OUTPUT_FILE"', 0, ''],
  ])('whose output file %s has completed without its output', async (is, script, bytes, head) => {
    const why = `what the command wrote to LEASEHOLD_OUTPUT_FILE ${is}`;
    expect(await sh(script)).toMatchObject({
      kind: 'completed',
      output: { outputLost: { why, bytes, head } },
    });
  });

  it('that exits with a code other than 0 has failed, and says why', async () => {
    expect(await sh('echo no such order >&2; echo \'{"a":1}\'; exit 3')).toMatchObject({
      kind: 'failed',
      error: { message: 'exit code 3: no such order', code: 'exit_code' },
      output: { a: 1 },
      detail: { exitCode: 3, stderr: 'no such order\n' },
    });
  });

  it('that fails as predicted has completed', async () => {
    const fields = {
      expect: [{ exitCode: 3 }, { errorIncludes: 'no such' }, { pointer: '/a', equals: 1 }],
    };
    expect(await sh('echo no such order >&2; echo \'{"a":1}\'; exit 3', fields)).toMatchObject({
      kind: 'completed',
    });
  });

  it('keeps the last 4 KiB of stderr', async () => {
    const outcome = await sh('i=0; while [ $i -lt 2000 ]; do echo "line $i" >&2; i=$((i+1)); done');
    const stderr = outcome.detail['stderr'] as string;
    expect(stderr.length).toBe(4_096);
    expect(stderr.endsWith('line 1999\n')).toBe(true);
    expect(outcome.detail['stderrTruncated']).toBe(true);
    expect((await sh('echo short >&2')).detail).not.toHaveProperty('stderrTruncated');
  });

  it('that cannot be started has failed, and says what is missing', async () => {
    expect(await run({ exec: { command: ['/nowhere/program'] } })).toMatchObject({
      kind: 'failed',
      class: 'notBegun',
      error: {
        message: expect.stringMatching(
          /^the command \/nowhere\/program could not be started: .*ENOENT/,
        ),
      },
      detail: { code: 'ENOENT' },
    });
    expect(await run({ exec: { command: [folder.path] } })).toMatchObject({
      kind: 'failed',
      detail: { code: 'EACCES' },
    });
    expect(await run({ exec: { command: ['sh', 'a\0b'] } })).toMatchObject({ kind: 'failed' });
    expect(await run({ exec: { command: ['sh'] } }, { cwd: '/nowhere' })).toMatchObject({
      kind: 'failed',
      error: {
        message:
          'the command sh could not be started: its working directory /nowhere does not exist',
      },
    });
  });

  it('may exit without reading its input', async () => {
    const inputs = { large: 'x'.repeat(1_000_000) };
    const runner = runnerWith();
    const exec = { command: ['true'] };
    const outcome = await runner.run(cell({ exec }), { ...CONTEXT, inputs }, attempt().signals);
    expect(outcome).toMatchObject({ kind: 'completed' });
  });

  it('that writes more than it may runs to its end, and has completed without its output', async () => {
    const script = 'head -c 3000000 /dev/zero | tr "\\0" x; echo done > "$0"';
    const exec = { command: ['sh', '-c', script, folder.file('ran')] };
    expect(await run({ exec })).toMatchObject({
      kind: 'completed',
      output: {
        outputLost: {
          why: 'what it wrote to stdout has 3000000 bytes, and 262144 are allowed; keep large results elsewhere',
          bytes: 3_000_000,
          head: 'x'.repeat(1_024),
        },
      },
      detail: { exitCode: 0 },
    });
    expect(await folder.read('ran')).toBe('done\n');
    expect(await sh('head -c 262145 /dev/zero > "$LEASEHOLD_OUTPUT_FILE"')).toMatchObject({
      kind: 'completed',
      output: { outputLost: { bytes: 262_145 } },
    });
  });

  it('keeps the end of stdout as a diagnostic if the output is its file', async () => {
    const script =
      'head -c 9000 /dev/zero | tr "\\0" x; echo end; echo 1 > "$LEASEHOLD_OUTPUT_FILE"';
    const { detail, ...outcome } = await sh(script);
    expect(outcome).toEqual({ kind: 'completed', output: 1 });
    expect(detail).toMatchObject({ stdoutTruncated: true });
    expect((detail['stdout'] as string).length).toBe(4_096);
    expect((detail['stdout'] as string).endsWith('xend\n')).toBe(true);
  });

  it.each([
    [126, 'failed', 'notBegun'],
    [127, 'failed', 'notBegun'],
    [125, 'failed', 'refused'],
  ])('that exits with %i has %s: %s', async (exitCode, kind, known) => {
    expect(await sh(`exit ${exitCode}`)).toMatchObject({ kind, class: known });
  });

  it('that exits with 128 or more is unknown: a shell reports a killed program so', async () => {
    expect(await sh("sh -c 'kill -KILL $$'; exit $?")).toMatchObject({
      kind: 'unknown',
      reason: 'crash',
      detail: { exitCode: 137, message: expect.stringMatching(/^exit code 137/) },
    });
    const expected = { expect: [{ exitCode: 137 }] };
    expect(await sh('exit 137', expected)).toMatchObject({ kind: 'unknown' });
  });

  it('whose cell moves an exit code to another class ends as the cell says', async () => {
    const moved = (code: number): Promise<CellOutcome> =>
      run({
        exec: {
          command: ['sh', '-c', `exit ${code}`],
          refusedExitCodes: [137],
          unknownExitCodes: [1],
        },
      });
    expect(await moved(137)).toMatchObject({ kind: 'failed', class: 'refused' });
    expect(await moved(1)).toMatchObject({ kind: 'unknown', reason: 'crash' });
    expect(await moved(2)).toMatchObject({ kind: 'failed', class: 'refused' });
  });

  it('that succeeds, but not as expected, has failed although it happened', async () => {
    expect(await sh('echo 1', { expect: [{ pointer: '', equals: 2 }] })).toMatchObject({
      kind: 'failed',
      class: 'succeeded',
    });
  });

  it('whose expect needs an output that was lost is unverified', async () => {
    const script = 'echo hello > "$LEASEHOLD_OUTPUT_FILE"';
    const expectations = [{ exitCode: 0 }, { pointer: '/a', equals: 1 }];
    expect(await sh(script, { expect: expectations })).toMatchObject({
      kind: 'unverified',
      class: 'succeeded',
      output: { outputLost: { head: 'hello\n' } },
      detail: { message: expect.stringMatching(/^output \/a could not be checked, it was lost/) },
    });
    expect(await sh(script, { expect: [{ exitCode: 0 }] })).toMatchObject({ kind: 'completed' });
  });

  it('runs in the directory it is given', async () => {
    expect(await sh('pwd', {}, { cwd: folder.path })).toMatchObject({
      output: { stdout: `${folder.path}\n` },
    });
  });

  it('leaves no temporary files', async () => {
    const outcome = await sh(
      'dirname "$LEASEHOLD_OUTPUT_FILE"; echo 1 > "$(dirname "$LEASEHOLD_OUTPUT_FILE")/x"',
    );
    const made = (outcome as unknown as { output: { stdout: string } }).output.stdout
      .trim()
      .split('/')
      .at(-1);
    expect(made).toMatch(/^leasehold-/);
    expect(readdirSync(tmpdir())).not.toContain(made);
  });

  it('that was ended by a signal from elsewhere is unknown', async () => {
    expect(await sh('kill -KILL $$')).toMatchObject({
      kind: 'unknown',
      reason: 'crash',
      detail: { signal: 'SIGKILL' },
    });
  });
});
