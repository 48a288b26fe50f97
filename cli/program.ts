import { readFileSync } from 'node:fs';

import { Command, Option } from 'commander';

import { unknownVariables } from '../src/config/known-variables.ts';
import { EXIT } from './exit-code.ts';
import { reportError } from './failure.ts';
import { addHiddenSharedOptions } from './shared-options.ts';
import type { Terminal } from './terminal.ts';
import type { Register } from './verb.ts';
import { VERB_GROUPS } from './verbs.ts';

const HELP_FOOTER = `
Run "leasehold help VERB" for a verb's options, and "leasehold dev --show" for a demo.

Exit codes:
  0  done: completed, advanced or parked
  1  failure, or a broken guarantee
  2  bad usage, or invalid
  3  refused
  4  in doubt or halted
  5  unavailable, or no answer`;

/**
 * Runs one command line.
 *
 * @param argv without the program's own name
 * @returns the exit code
 */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode: number = EXIT.done;
  const register: Register = (command, runVerb) => {
    command.action(async () => {
      // Commander knows the options only at run time; each verb's definition matches its type.
      const options = optionsOf(command) as Parameters<typeof runVerb>[1];
      const args = command.processedArgs.flat() as string[];
      exitCode = await runVerb(terminal, options, args);
    });
  };
  try {
    // A replica reports unknown variables in its log.
    const warnings = argv.includes('advancer') ? [] : unknownVariables(Object.keys(terminal.env));
    for (const warning of warnings) terminal.err(`warning: ${warning}`);
    const program = await buildProgram(terminal, register, argv);
    await program.parseAsync(unlessUnknown(argv), { from: 'user' });
    return exitCode;
  } catch (error) {
    return reportError(terminal, argv.includes('--json'), error);
  }
}

/**
 * Where the verb is unknown, that is all that there is to report: asked for help on it, commander
 * would only print the overview.
 */
function unlessUnknown(argv: readonly string[]): string[] {
  const [verb] = argv[0] === 'help' ? argv.slice(1) : argv;
  const isKnown = VERB_GROUPS.some(([, verbs]) => verbs.some(({ name }) => name === verb));
  if (verb === undefined || verb.startsWith('-') || isKnown) return [...argv];
  return [verb];
}

/**
 * Builds the command line.
 *
 * @param names the verbs to define in full. The others have only a name and a summary, which is all
 *   that the overview and the search for similar names need.
 */
export async function buildProgram(
  terminal: Terminal,
  register: Register,
  names: readonly string[],
): Promise<Command> {
  const program = new Command('leasehold')
    .description('A distributed lease coordinator: fenced, at-most-once execution of runbooks.')
    .usage('[options] <verb>')
    .version(packageVersion(), '-V, --version', 'print the version')
    .enablePositionalOptions()
    .addHelpText('after', HELP_FOOTER);
  addHiddenSharedOptions(program);
  for (const [heading, verbs] of VERB_GROUPS) {
    program.commandsGroup(heading);
    for (const { name, summary, load } of verbs) {
      const command = program.command(name).summary(summary);
      if (names.includes(name)) (await load())(command, register);
    }
  }
  forEach(program, 'leasehold', (command, path) => configure(command, path, terminal));
  return program;
}

/** Settings that commander would hand down only to commands that are added later. */
function configure(command: Command, path: string, terminal: Terminal): void {
  const write = (print: (line: string) => void) => (text: string) => print(text.replace(/\n$/, ''));
  command
    .exitOverride()
    .addHelpOption(new Option('-h, --help', 'print help').helpGroup('Options:'))
    .showHelpAfterError(`Run "${path} --help" for usage.`)
    .configureHelp({
      subcommandTerm: (subcommand) => subcommand.name(),
      // Without the verb `help`, which the overview explains below the list.
      visibleCommands: (parent) => [...parent.commands],
    })
    .configureOutput({
      writeOut: write((line) => terminal.out(line)),
      writeErr: write((line) => terminal.err(line)),
      getOutHelpWidth: () => terminal.columns,
      getErrHelpWidth: () => terminal.columns,
    });
}

function forEach(
  command: Command,
  path: string,
  visit: (command: Command, path: string) => void,
): void {
  visit(command, path);
  for (const child of command.commands) forEach(child, `${path} ${child.name()}`, visit);
}

/** The options after the verb, and those before it that it does not override. */
function optionsOf(command: Command): object {
  const commands: Command[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) commands.unshift(at);
  return Object.assign({}, ...commands.map((one) => one.opts())) as object;
}

function packageVersion(): string {
  // One directory up from the sources, two from the built files.
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const text = readFileSync(new URL(path, import.meta.url), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}
