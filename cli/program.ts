import { readFileSync } from 'node:fs';

import { Command, CommanderError } from 'commander';

import { unknownVariables } from '../src/config/known-variables.ts';
import { EXIT, exitCodeOfError } from './exit-code.ts';
import type { Terminal } from './terminal.ts';
import { sharedInFront, withFlag } from './options.ts';
import type { SharedOptions } from './options.ts';
import type { AddVerb, Register } from './verb.ts';
import { printJson } from './verb.ts';
import { addAdvance } from './verbs/advance.ts';
import { addAudit } from './verbs/audit.ts';
import { addBench } from './verbs/bench.ts';
import { addChaos } from './verbs/chaos.ts';
import { addClaim } from './verbs/claim.ts';
import { addLeases, addReplicas } from './verbs/coordination.ts';
import { addDecide } from './verbs/decide.ts';
import { addList } from './verbs/list.ts';
import { addAdvancer, addDev, addMigrate } from './verbs/processes.ts';
import { addRunbook } from './verbs/runbook.ts';
import { addStart } from './verbs/start.ts';
import { addStatus } from './verbs/status.ts';
import { addWatch } from './verbs/watch.ts';

const GROUPS: [heading: string, verbs: AddVerb[]][] = [
  ['Moving instances:', [addStart, addAdvance, addClaim, addDecide]],
  ['Looking:', [addStatus, addList, addWatch, addLeases, addReplicas, addAudit]],
  ['Runbooks:', [addRunbook]],
  ['Processes:', [addDev, addMigrate, addAdvancer]],
  ['Proving:', [addChaos, addBench]],
];

const EXIT_CODES = `
Exit codes: 0 done (completed, advanced, parked), 1 failure or breach, 2 bad usage or invalid,
3 refused, 4 in doubt or halted, 5 unavailable or no answer.`;

/**
 * Runs one command line.
 *
 * @param argv without the program's own name
 * @returns the exit code
 */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const json = argv.includes('--json');
  let exitCode: number = EXIT.done;
  const register: Register = (command, verb) => {
    command.action(async () => {
      exitCode = await verb(terminal, merged(command), command.processedArgs.flat() as string[]);
    });
  };
  const program = build(terminal, register);
  try {
    // A replica says it in its own log.
    const unknown = argv.includes('advancer') ? [] : unknownVariables(Object.keys(terminal.env));
    for (const warning of unknown) terminal.err(`warning: ${warning}`);
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    return failure(error, terminal, json);
  }
}

function build(terminal: Terminal, register: Register): Command {
  const program = new Command('leasehold')
    .description('A distributed lease coordinator: fenced, at-most-once advancing of runbooks.')
    .version(packageVersion(), '-V, --version')
    .enablePositionalOptions()
    .showHelpAfterError('(--help says what there is)')
    .addHelpText('after', EXIT_CODES);
  sharedInFront(program);
  for (const [heading, verbs] of GROUPS) {
    program.commandsGroup(heading);
    for (const add of verbs) add(program, register);
  }
  // Set on every command, since commander hands them down only to those that are made later.
  forEach(program, (command) => {
    command.exitOverride().configureOutput({
      writeOut: (text) => terminal.out(text.replace(/\n$/, '')),
      writeErr: (text) => terminal.err(text.replace(/\n$/, '')),
    });
  });
  return program;
}

function forEach(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) forEach(child, visit);
}

/** The verb's own options over those in front of the verb. */
function merged(command: Command): SharedOptions & Record<string, unknown> {
  const parents: Command[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) parents.unshift(at);
  return Object.assign({}, ...parents.map((one) => one.opts())) as SharedOptions &
    Record<string, unknown>;
}

/**
 * Says what went wrong, and answers the exit code. Errors are known by name: their modules may not
 * be loaded.
 */
function failure(error: unknown, terminal: Terminal, json: boolean): number {
  if (error instanceof CommanderError) {
    // Help and version end by the same way as errors; commander has said what there is to say.
    if (error.exitCode === 0) return EXIT.done;
    if (json) reply(terminal, 'invalid', error.message.replace(/^error: /, ''));
    return EXIT.invalid;
  }
  const { name, message } = error instanceof Error ? error : { name: '', message: String(error) };
  switch (name) {
    case 'LeaseholdError': {
      const known = error as { code: Parameters<typeof exitCodeOfError>[0]; toJSON(): unknown };
      if (json) printJson(terminal, known.toJSON());
      terminal.err(`${known.code}: ${message}`);
      if (known.code === 'unavailable')
        terminal.err(
          'look: is NATS up, and does a replica run in this namespace (leasehold replicas)?',
        );
      return exitCodeOfError(known.code);
    }
    case 'ConfigError': {
      const text = message.split('\n').map(withFlag).join('\n');
      if (json) reply(terminal, 'invalid', text);
      terminal.err(text);
      return EXIT.invalid;
    }
    case 'LogUnavailable':
    case 'StoreUnavailable':
      if (json) reply(terminal, 'unavailable', message);
      terminal.err(`unavailable: ${message}`);
      terminal.err(
        name === 'LogUnavailable'
          ? 'look: is Postgres up, and is --database right?'
          : 'look: is etcd up, and is --etcd right?',
      );
      return EXIT.unavailable;
    default:
      if (json) reply(terminal, 'unavailable', message);
      terminal.err(`error: ${message}`);
      return EXIT.failure;
  }
}

function reply(terminal: Terminal, code: string, message: string): void {
  printJson(terminal, { error: { code, message } });
}

function packageVersion(): string {
  // One folder up from the sources, two from the built files.
  for (const path of ['../package.json', '../../package.json']) {
    try {
      return (
        JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { version: string }
      ).version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}
