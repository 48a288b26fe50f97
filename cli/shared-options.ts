import { userInfo } from 'node:os';

import { Option } from 'commander';
import type { Command } from 'commander';

import type { Environment } from '../src/config/config.ts';

/** The options that several verbs take. All but `json` stand for a variable. */
export interface SharedOptions {
  json?: boolean;
  namespace?: string;
  agent?: string;
  nats?: string;
  etcd?: string;
  database?: string;
  ownerDatabase?: string;
}

/** The name of a shared option. */
export type SharedName = keyof SharedOptions;

/** Which variable an option stands for. */
const VARIABLES = {
  namespace: 'LEASEHOLD_NAMESPACE',
  agent: 'LEASEHOLD_AGENT_ID',
  nats: 'LEASEHOLD_NATS_URLS',
  etcd: 'LEASEHOLD_ETCD_URLS',
  database: 'LEASEHOLD_DATABASE_URL',
  ownerDatabase: 'LEASEHOLD_OWNER_DATABASE_URL',
} as const satisfies Partial<Record<SharedName, string>>;

const FLAGS: Record<SharedName, readonly [flags: string, text: string]> = {
  json: ['--json', 'output JSON, one object per line'],
  namespace: ['--namespace <name>', 'namespace (LEASEHOLD_NAMESPACE; default: "default")'],
  agent: [
    '--agent <id>',
    'agent id to record with the request (LEASEHOLD_AGENT_ID; default: cli-USER)',
  ],
  nats: ['--nats <urls>', 'NATS URLs (LEASEHOLD_NATS_URLS; default: nats://127.0.0.1:4222)'],
  etcd: ['--etcd <urls>', 'etcd URLs (LEASEHOLD_ETCD_URLS)'],
  database: [
    '--database <url>',
    'Postgres URL, with the role leasehold_app (LEASEHOLD_DATABASE_URL)',
  ],
  ownerDatabase: [
    '--owner-database <url>',
    'Postgres URL, with the role leasehold_owner (LEASEHOLD_OWNER_DATABASE_URL)',
  ],
};

/** What a verb that sends requests takes. */
export const AGENT_OPTIONS = ['json', 'namespace', 'agent', 'nats'] as const;
/** What a verb that reads the log takes. */
export const DATABASE_OPTIONS = ['json', 'namespace', 'database'] as const;
/** What a verb that reads the leases takes. */
export const ETCD_OPTIONS = ['json', 'namespace', 'etcd'] as const;

/** What {@link addSharedOptions} can vary. */
export interface SharedOptionTexts extends Partial<Record<SharedName, string>> {
  /** The heading in the verb's help. Default: `Connection:`. */
  heading?: string;
}

/**
 * Adds shared options to a verb.
 *
 * @param texts descriptions that differ from the usual ones
 */
export function addSharedOptions(
  command: Command,
  names: readonly SharedName[],
  texts: SharedOptionTexts = {},
): Command {
  for (const name of names) {
    const [flags, text] = FLAGS[name];
    const option = new Option(flags, texts[name] ?? text);
    command.addOption(name === 'json' ? option : option.helpGroup(texts.heading ?? 'Connection:'));
  }
  return command;
}

/** Accepts every shared option before the verb too, without listing it there. */
export function addHiddenSharedOptions(program: Command): void {
  for (const [flags] of Object.values(FLAGS)) program.addOption(new Option(flags).hideHelp());
}

/** The environment, with options in place of the variables that they stand for. */
export function environment(env: Environment, options: SharedOptions): Environment {
  const overrides = Object.entries(VARIABLES).flatMap(([name, variable]) => {
    const value = options[name as keyof typeof VARIABLES];
    return value === undefined ? [] : [[variable, value] as const];
  });
  return { ...env, ...Object.fromEntries(overrides) };
}

/** Adds the option's name to a message that begins with its variable. */
export function withFlag(message: string): string {
  for (const [name, variable] of Object.entries(VARIABLES)) {
    const flag = FLAGS[name as SharedName][0].split(' ')[0];
    if (message.startsWith(`${variable} `))
      return `${variable} (or ${flag})${message.slice(variable.length)}`;
  }
  return message;
}

/** The agent id where none is given. */
export function defaultAgentId(username = currentUser()): string {
  const name = username.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 100);
  return `cli-${name === '' ? 'user' : name}`;
}

function currentUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user need not have a name.
    return 'user';
  }
}
