import type { Command } from 'commander';

import type { SharedOptions } from './shared-options.ts';
import type { Terminal } from './terminal.ts';

/** Runs a verb. Resolves with the exit code. */
export type Run<Options> = (
  terminal: Terminal,
  options: SharedOptions & Options,
  args: string[],
) => Promise<number>;

/** Makes `run` the action of a command. */
export type Register = <Options = unknown>(command: Command, run: Run<Options>) => void;

/**
 * Adds a verb's description, arguments, options and action to its command. What only the action
 * needs is imported when it runs, so that help and bad usage are answered at once.
 */
export type DefineVerb = (command: Command, register: Register) => void;
