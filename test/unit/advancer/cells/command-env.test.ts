import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { EffectRunnerOptions } from '../../../../advancer/cells/runner.ts';
import type { Effect } from '../../../../src/runbook/runbook.ts';
import { attempt, CONTEXT, Folder, run, runnerWith } from './fixture.ts';

const PRINT_ENV = [process.execPath, '-p', 'JSON.stringify({...process.env})'];

const OWN = {
  PATH: process.env['PATH'],
  HOME: '/home/replica',
  LANG: 'C.UTF-8',
  TZ: 'UTC',
  DEPLOYMENT_SECRET: 'secret of the deployment',
  HTTPS_PROXY: 'http://proxy',
  PGPASSWORD: 'secret of the database',
  LEASEHOLD_DATABASE_URL: 'postgres://secret',
  NODE_OPTIONS: '--title=replica',
};

const OF_THE_ATTEMPT = {
  LEASEHOLD_INSTANCE_ID: 'i-1',
  LEASEHOLD_CELL_ID: 'charge',
  LEASEHOLD_ATTEMPT: '2',
  LEASEHOLD_FENCING_TOKEN: '4711',
  LEASEHOLD_IDEMPOTENCY_KEY: 'i-1/charge/1',
  LEASEHOLD_OUTPUT_FILE: expect.stringMatching(/leasehold-\w+\/output\.json$/) as string,
};

let folder: Folder;
beforeAll(async () => {
  folder = await Folder.make();
});
afterAll(() => folder.remove());

/** What a command with these fields sees as its environment. */
async function environmentOf(
  fields: object = {},
  options: Partial<EffectRunnerOptions> = {},
): Promise<unknown> {
  const exec = { command: PRINT_ENV, ...fields } as Effect;
  return ((await run({ exec }, { env: OWN, ...options })) as { output?: unknown }).output;
}

describe('the environment of a command', () => {
  it('is PATH, HOME, LANG, TZ and the attempt, and nothing else of the replica', async () => {
    const { PATH, HOME, LANG, TZ } = OWN;
    expect(await environmentOf()).toEqual({ PATH, HOME, LANG, TZ, ...OF_THE_ATTEMPT });
  });

  it('has what LEASEHOLD_COMMAND_ENV lists, where the replica has it', async () => {
    const seen = await environmentOf({}, { commandEnv: ['HTTPS_PROXY', 'NOT_SET'] });
    expect(seen).toMatchObject({ HTTPS_PROXY: 'http://proxy' });
    expect(Object.keys(seen as object)).not.toContain('NOT_SET');
    expect(Object.keys(seen as object)).not.toContain('DEPLOYMENT_SECRET');
  });

  it('has the variables of the cell, filled in as text, which override the replica’s', async () => {
    const env = { ORDER: 'of ${inputs.order}', COUNT: '${inputs.count}', TZ: 'Asia/Tokyo' };
    expect(await environmentOf({ env })).toMatchObject({
      ORDER: 'of o-1',
      COUNT: '3',
      TZ: 'Asia/Tokyo',
    });
  });

  it('of a probe is made in the same way', async () => {
    const script =
      'echo "{\\"answer\\": \\"happened\\", \\"output\\": [\\"$ORDER\\", \\"$DEPLOYMENT_SECRET\\"]}"';
    const effect = { command: ['sh', '-c', script], env: { ORDER: '${inputs.order}' } };
    const runner = runnerWith({ env: OWN });
    expect(await runner.probe(effect, CONTEXT, attempt().signals.abort)).toMatchObject({
      answer: 'happened',
      output: ['o-1', ''],
    });
  });

  it('that cannot be filled means that nothing has run', async () => {
    const exec = {
      command: ['sh', '-c', 'echo ran > "$0"', folder.file('never')],
      env: { WHO: '${inputs.who}' },
    };
    expect(await run({ exec })).toMatchObject({
      kind: 'failed',
      class: 'notBegun',
      error: { message: '${inputs.who} cannot be filled: inputs has no who' },
    });
  });
});

describe('the directory of a command', () => {
  it('is the one that the cell names, from the replica’s if the path is relative', async () => {
    const exec = (cwd: string): Effect => ({ command: ['pwd', '-P'], cwd });
    const cwd = process.cwd();
    expect(await run({ exec: exec('/') }, { cwd })).toMatchObject({ output: { stdout: '/\n' } });
    expect(await run({ exec: exec('test/unit') }, { cwd })).toMatchObject({
      output: { stdout: `${cwd}/test/unit\n` },
    });
  });

  it('that is missing is named, and nothing has run', async () => {
    const exec = { command: ['true'], cwd: '/not/${inputs.order}' };
    expect(await run({ exec })).toMatchObject({
      kind: 'failed',
      class: 'notBegun',
      error: {
        message:
          'the command true could not be started: its working directory /not/o-1 does not exist',
      },
    });
  });
});
