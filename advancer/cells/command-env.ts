import type { CommandUser } from '../../src/config/command-settings.ts';
import type { EffectContext } from './cells.ts';
import type { CommandFolders } from './command-folders.ts';

/** Variables of the replica that every command gets: what finding and running a program takes. */
const ALWAYS_PASSED = ['PATH', 'HOME', 'LANG', 'TZ'] as const;

/** Where commands run, as whom, and the environment from which theirs is made. */
export interface CommandEnvironment {
  cwd: string;
  /** The replica's. */
  env: NodeJS.ProcessEnv;
  /** Names of further variables of the replica that commands get. */
  passed: readonly string[];
  /** undefined: the replica's own user. */
  user: CommandUser | undefined;
  /** Where their output files are. */
  folders: CommandFolders;
}

/** What the environment of one command is made of, besides the replica's. */
export interface CommandVariables {
  /** The variables that the cell sets. */
  cell: Readonly<Record<string, string>>;
  context: EffectContext;
  outputFile: string;
}

/**
 * The environment of a command. Nothing of the replica's gets in unless it is listed: database URLs
 * contain passwords, and nobody can list what else a deployment keeps in its environment.
 */
export function commandEnv(
  { env, passed, user }: Omit<CommandEnvironment, 'folders'>,
  { cell, context, outputFile }: CommandVariables,
): NodeJS.ProcessEnv {
  return {
    ...chosen(env, ALWAYS_PASSED),
    ...(user === undefined ? {} : { HOME: user.home }),
    ...chosen(env, passed),
    ...cell,
    LEASEHOLD_INSTANCE_ID: context.instanceId,
    LEASEHOLD_CELL_ID: context.cellId,
    LEASEHOLD_ATTEMPT: String(context.attempt),
    LEASEHOLD_FENCING_TOKEN: String(context.fencingToken),
    LEASEHOLD_IDEMPOTENCY_KEY: context.idempotencyKey,
    LEASEHOLD_OUTPUT_FILE: outputFile,
  };
}

function chosen(env: NodeJS.ProcessEnv, names: readonly string[]): NodeJS.ProcessEnv {
  return Object.fromEntries(
    names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])),
  );
}
