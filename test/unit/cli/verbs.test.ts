import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';

import { buildProgram, run } from '../../../cli/program.ts';
import type { SharedName } from '../../../cli/shared-options.ts';
import type { Register, Run } from '../../../cli/verb.ts';
import { VERB_GROUPS } from '../../../cli/verbs.ts';
import { TestTerminal } from '../../harness/test-terminal.ts';

/** A command line of each verb that has its required arguments and options. */
const LINES: Readonly<Record<string, readonly string[]>> = {
  dev: [],
  start: ['a', '--runbook', 'r'],
  advance: ['a'],
  claim: ['c', 'approved'],
  decide: ['a', '--cell', 'c', '--attempt', '1', '--as', 'rerun', '--reason', 'x'],
  cancel: ['a', '--reason', 'x'],
  'schedule put': ['s', '--runbook', 'r', '--every', '1h'],
  'schedule list': [],
  'schedule show': ['s'],
  'schedule pause': ['s'],
  'schedule resume': ['s'],
  'schedule delete': ['s'],
  'schedule next': ['s'],
  enqueue: ['a'],
  status: ['a'],
  show: ['a'],
  list: [],
  claims: [],
  requests: [],
  watch: [],
  leases: [],
  replicas: [],
  'runbook push': ['examples/refund.yaml'],
  'runbook list': [],
  'runbook show': ['r'],
  'runbook diff': ['r'],
  'runbook schema': [],
  'runbook lint': ['examples/refund.yaml'],
  advancer: [],
  migrate: [],
  'secrets show': [],
  'secrets rotate': [],
  audit: [],
  chaos: ['--attach'],
  bench: ['--replicas', '99'],
};

/** Where an option is read only together with another one. */
const MORE: Readonly<Record<string, readonly string[]>> = { 'requests nats': ['--poison'] };

/** The variable of each shared option, with a value that is usable and one that is not. */
const VARIABLES: Readonly<Record<Exclude<SharedName, 'json'>, readonly [string, string, string]>> =
  {
    namespace: ['LEASEHOLD_NAMESPACE', 'n', 'a b'],
    agent: ['LEASEHOLD_AGENT_ID', 'a', 'a b'],
    nats: ['LEASEHOLD_NATS_URLS', 'nats://127.0.0.1:1', 'localhost'],
    etcd: ['LEASEHOLD_ETCD_URLS', 'http://127.0.0.1:1', 'localhost'],
    database: ['LEASEHOLD_DATABASE_URL', 'postgres://x@127.0.0.1:1/x', 'localhost'],
    ownerDatabase: ['LEASEHOLD_OWNER_DATABASE_URL', 'postgres://x@127.0.0.1:1/x', 'localhost'],
  };

const usable = Object.fromEntries(
  Object.values(VARIABLES).map(([variable, value]) => [variable, value]),
);

/** Every verb with an action, by its path: `runbook push`. */
async function allVerbs(register: Register = () => {}): Promise<Map<string, Command>> {
  const names = VERB_GROUPS.flatMap(([, verbs]) => verbs.map(({ name }) => name));
  const program = await buildProgram(new TestTerminal(), register, names);
  const verbs = new Map<string, Command>();
  const visit = (command: Command, path: readonly string[]): void => {
    if (command.commands.length === 0) verbs.set(path.join(' '), command);
    for (const child of command.commands) visit(child, [...path, child.name()]);
  };
  visit(program, []);
  return verbs;
}

const optionNames = (command: Command): string[] =>
  command.options.map((option) => option.attributeName());

const isShared = (name: string): name is SharedName => name === 'json' || name in VARIABLES;

const listed = [...(await allVerbs())].flatMap(([verb, command]) =>
  optionNames(command)
    .filter((name) => isShared(name))
    .filter((name) => name !== 'json')
    .map((name) => [verb, name] as const),
);

// The first import of a client's package takes seconds on a busy machine.
describe('the verbs', { timeout: 60_000 }, () => {
  it('are those of this test', async () => {
    expect([...(await allVerbs()).keys()].sort()).toEqual(Object.keys(LINES).sort());
  });

  it('stand under their headings in the help', async () => {
    const terminal = new TestTerminal();
    expect(await run(['--help'], terminal)).toBe(0);
    const headings = terminal.outText.split('\n').filter((line) => /^[A-Z][a-z]+:$/.test(line));
    expect(headings.slice(1, 6)).toEqual(['Run:', 'Inspect:', 'Runbooks:', 'Operate:', 'Verify:']);
  });

  it('all describe --json in the same way', async () => {
    for (const [verb, command] of await allVerbs())
      expect(command.helpInformation(), `of ${verb}`).toMatch(
        /^  --json +output JSON, one object per line$/m,
      );
  });

  it.each(listed)('%s reads its option %s', async (verb, name) => {
    const [variable, , unusable] = VARIABLES[name];
    const env = { ...usable, [variable]: unusable };
    // Without the application's URL, so that the owner's is the one that counts.
    if (name === 'ownerDatabase') delete env['LEASEHOLD_DATABASE_URL'];
    const terminal = new TestTerminal(env);
    const line = [...(LINES[verb] ?? []), ...(MORE[`${verb} ${name}`] ?? [])];
    const code = await run([...verb.split(' '), ...line], terminal);
    expect(terminal.errText).toContain(variable);
    expect(code).toBe(2);
  });

  it.each(Object.entries(LINES))('%s reads every option that only it has', async (verb, line) => {
    const read = new Set<string>();
    let action: (() => Promise<number>) | undefined;
    const register = <Options>(command: Command, runVerb: Run<Options>): void => {
      command.action(() => {
        const options = new Proxy(command.opts(), {
          get(target, name) {
            read.add(String(name));
            return target[name as string] as unknown;
          },
        });
        const args = command.processedArgs.flat() as string[];
        // An environment that is not usable, so that the verb ends before it connects.
        const terminal = new TestTerminal({ ...usable, LEASEHOLD_NAMESPACE: 'a b' });
        action = async () => runVerb(terminal, options as never, args);
      });
    };
    const commands = await allVerbs(register);
    const command = commands.get(verb);
    let root = command;
    while (root?.parent) root = root.parent;
    await root?.parseAsync([...verb.split(' '), ...line], { from: 'user' });
    await action?.().catch(() => undefined);
    const own = optionNames(command as Command).filter((name) => !isShared(name));
    expect(own.filter((name) => !read.has(name))).toEqual([]);
  });
});
