import { afterAll, beforeAll, expect, it } from 'vitest';

import { runCommand, type CommandResult } from '../../tools/stack/command.ts';
import { shellQuote } from '../../src/shell-quote.ts';
import { MAIN } from '../harness/child-process.ts';
import { TestCluster } from '../harness/replicas.ts';

/** A status that a shell would change in every way. */
const STATUS = `-the boss's $(approval) \\ "100%"\tnow`;

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({ replicas: 1 });
  const command = (id: string, script: string, more: object = {}) => ({
    id,
    exec: { command: ['sh', '-c', script] },
    ...more,
  });
  await cluster.pushRunbook({
    runbook: '-book',
    version: 1,
    inputs: ['id'],
    cells: [
      { id: '-ok', await: { claim: '${inputs.id}', statuses: [STATUS] } },
      // Nothing tells whether it happened.
      command('-charge', 'kill -9 $$'),
      command('-last', 'sleep 2'),
    ],
  });
});
afterAll(() => cluster?.stop());

/** Runs a line in a shell in which `leasehold` is the built command line. */
async function shell(line: string): Promise<CommandResult> {
  const program = `${shellQuote(process.execPath)} ${shellQuote(MAIN)}`;
  const result = await runCommand('sh', ['-euc', `leasehold() { ${program} "$@"; }\n${line}`], {
    env: cluster.env,
    timeoutMs: 120_000,
  });
  // Where a command printed nothing on stderr, this is the command itself.
  return { ...result, stderr: result.stderr.replace(/^Command failed: [^]*/, '') };
}

/** The commands that a text suggests: each reaches to the end of its line. */
function commandsIn({ stdout, stderr }: CommandResult): string[] {
  return `${stdout}\n${stderr}`
    .split('\n')
    .flatMap((line) => /(?:^|: | {2})(leasehold (?!replicas).*)$/.exec(line)?.[1] ?? []);
}

/** The verbs of the commands that were run. */
const ran = new Set<string>();

/** Runs a command that was suggested, which must be understood. */
async function follow(command: string | undefined): Promise<CommandResult> {
  expect(command).toBeDefined();
  const result = await shell(command!);
  expect({ command, ...result }).not.toMatchObject({ code: 2 });
  for (const [, verb] of command!.matchAll(/leasehold (\w+)/g)) ran.add(verb!);
  return result;
}

/** Starts an instance and leads it to its doubt, by what is suggested only. */
async function inDoubt(instanceId: string): Promise<{ doubt: CommandResult; commands: string[] }> {
  const started = await shell(
    `leasehold start --runbook=-book --input id=${instanceId} -- ${instanceId}`,
  );
  expect(started).toMatchObject({ code: 0 });
  const parked = await follow(commandsIn(started)[0]);
  expect(parked).toMatchObject({ code: 0, stdout: expect.stringContaining('is parked') as string });
  const doubt = await follow(commandsIn(parked)[0]);
  expect(doubt).toMatchObject({ code: 4, stdout: expect.stringContaining('in doubt') as string });
  const claims = await cluster.app.query<{ status: string }>(
    'select status from leasehold.claims where claim_id = $1',
    [instanceId],
  );
  expect(claims.rows).toEqual([{ status: STATUS }]);
  return { doubt, commands: commandsIn(doubt) };
}

it('every suggested command works when it is pasted, whatever the ids are', async () => {
  const ids = ['--help', '-7', '-x', '--'];
  const reached = await Promise.all(ids.map(inDoubt));
  const ends = await Promise.all(
    reached.map(async ({ commands }, nth) => {
      expect(commands).toHaveLength(4);
      const decided = await follow(commands[nth]);
      expect(decided).toMatchObject({ code: 0 });
      return follow(commandsIn(decided)[0]);
    }),
  );
  // As succeeded, rerun (which is in doubt again), failed and skipped.
  expect(ends.map(({ code }) => code)).toEqual([0, 4, 4, 0]);
  const [completed, again, halted] = ends;
  expect(completed!.stdout).toContain('completed');
  expect(commandsIn(again!)).toHaveLength(4);
  const seen = await follow(commandsIn(halted!)[0]);
  expect(seen.stdout).toContain('-charge failed');
  const [log, ...ways] = commandsIn(seen);
  expect(await follow(log)).toMatchObject({ code: 0 });
  // To run it again, as succeeded, as skipped, or not at all.
  expect(ways).toHaveLength(4);
  expect(await follow(ways[0])).toMatchObject({ code: 0 });
  expect(await follow(ways[3])).toMatchObject({ code: 0 });
});

it('also those of requests that run nothing', async () => {
  const { commands } = await inDoubt('-busy');
  await follow(commands[0]);
  const wrong = await shell('leasehold advance --cell nope -- -busy');
  expect(wrong).toMatchObject({ code: 3 });
  const running = follow(commandsIn(wrong)[0]);
  const busy = await untilBusy();
  const waited = commandsIn(busy).find((command) => command.includes('--wait'));
  expect(await follow(waited)).toMatchObject({ code: 0 });
  expect(await running).toMatchObject({ code: 0 });

  const missing = await shell('leasehold advance -- -nope');
  expect(missing.stdout).toMatch(/^nothing ran: there is no instance -nope\.$/m);
  expect(await follow(commandsIn(missing)[0])).toMatchObject({ code: 3 });
  const expired = await shell('leasehold advance --expires-in 0ms -- -busy');
  expect(await follow(commandsIn(expired)[0])).toMatchObject({ code: 0 });
  const nowhere = await shell('leasehold advance --nats nats://127.0.0.1:1 --timeout 1s -- -busy');
  expect(nowhere).toMatchObject({ code: 5 });
  expect(await follow(commandsIn(nowhere)[0])).toMatchObject({ code: 0 });
  const unknown = await shell('leasehold status -- -nope');
  expect(await follow(commandsIn(unknown)[0])).toMatchObject({ code: 0 });
  const page = await shell('leasehold list --limit 1 --status completed');
  expect(commandsIn(page)[0]).toMatch(/--status completed --after .* --limit 1$/);
  expect(await follow(commandsIn(page)[0])).toMatchObject({ code: 0 });
  const book = await shell('leasehold runbook show -- -boook');
  expect(book.stderr).toContain('did you mean -book?');
  expect(await follow(commandsIn(book)[0])).toMatchObject({ code: 0 });
  const verbs = ['advance', 'cancel', 'claim', 'decide', 'start', 'list', 'runbook', 'status'];
  expect([...ran].sort()).toEqual([...verbs].sort());
});

/** The answer to an advance while another one runs. */
async function untilBusy(): Promise<CommandResult> {
  for (;;) {
    const tried = await shell('leasehold advance --cell nope -- -busy');
    if (tried.stdout.includes('--wait')) return tried;
    expect(tried.stdout).toContain('the next cell');
  }
}
