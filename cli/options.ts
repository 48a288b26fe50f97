import { userInfo } from 'node:os';

import { Option } from 'commander';
import type { Command } from 'commander';

import type { Environment } from '../src/config/config.ts';
import { idFlag } from './flags.ts';

/** What a verb needs to reach, and so which options it takes. */
export type Need = 'nats' | 'database' | 'owner database' | 'etcd';

/** The options that every verb takes, or that go with what it needs. */
export interface SharedOptions {
  json?: boolean;
  namespace?: string;
  agent?: string;
  nats?: string;
  etcd?: string;
  database?: string;
  ownerDatabase?: string;
}

/** Which flag stands for which variable. */
const VARIABLES = {
  namespace: 'LEASEHOLD_NAMESPACE',
  agent: 'LEASEHOLD_AGENT_ID',
  nats: 'LEASEHOLD_NATS_URLS',
  etcd: 'LEASEHOLD_ETCD_URLS',
  database: 'LEASEHOLD_DATABASE_URL',
  ownerDatabase: 'LEASEHOLD_OWNER_DATABASE_URL',
} as const satisfies Partial<Record<keyof SharedOptions, string>>;

const FLAGS: Record<keyof SharedOptions, () => Option> = {
  json: () => new Option('--json', 'print what goes over the wire, one object a line'),
  namespace: () =>
    new Option(
      '--namespace <name>',
      `the namespace [${VARIABLES.namespace}, else "default"]`,
    ).argParser(idFlag),
  agent: () =>
    new Option(
      '--agent <id>',
      `who asks [${VARIABLES.agent}, else "cli-" and your user name]`,
    ).argParser(idFlag),
  nats: () => new Option('--nats <urls>', `where NATS is [${VARIABLES.nats}, else this machine]`),
  etcd: () => new Option('--etcd <urls>', `where etcd is [${VARIABLES.etcd}]`),
  database: () =>
    new Option('--database <url>', `the log, as leasehold_app [${VARIABLES.database}]`),
  ownerDatabase: () =>
    new Option('--owner-database <url>', `the log, as its owner [${VARIABLES.ownerDatabase}]`),
};

const OF_NEED: Record<Need, (keyof SharedOptions)[]> = {
  nats: ['agent', 'nats'],
  database: ['database'],
  'owner database': ['ownerDatabase', 'database'],
  etcd: ['etcd'],
};

/** Adds `--json`, `--namespace` and what the needs bring. */
export function shared(command: Command, ...needs: Need[]): Command {
  const names = new Set<keyof SharedOptions>([
    'json',
    'namespace',
    ...needs.flatMap((need) => OF_NEED[need]),
  ]);
  for (const name of names) command.addOption(FLAGS[name]());
  return command;
}

/** Adds every shared option, hidden: so that they may also stand in front of the verb. */
export function sharedInFront(program: Command): void {
  for (const make of Object.values(FLAGS)) program.addOption(make().hideHelp());
}

/** The environment with the flags in the place of their variables. */
export function environment(env: Environment, options: SharedOptions): Environment {
  const given = Object.entries(VARIABLES).flatMap(([name, variable]) => {
    const value = options[name as keyof typeof VARIABLES];
    return value === undefined ? [] : [[variable, value] as const];
  });
  return { ...env, ...Object.fromEntries(given) };
}

/** Names the flag beside its variable in a problem with the environment. */
export function withFlag(problem: string): string {
  for (const [name, variable] of Object.entries(VARIABLES)) {
    const flag = name === 'ownerDatabase' ? '--owner-database' : `--${name}`;
    if (problem.startsWith(`${variable} `))
      return `${variable} (or ${flag})${problem.slice(variable.length)}`;
  }
  return problem;
}

/** Who asks when nothing says so. */
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
