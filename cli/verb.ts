import type { Command } from 'commander';

import type { Agent } from '../src/agent/agent.ts';
import type { Terminal } from './terminal.ts';
import type { SharedOptions } from './options.ts';
import { defaultAgentId, environment } from './options.ts';

/** A verb's own run: what it does, and the exit code. */
export type Run = (
  terminal: Terminal,
  options: SharedOptions & Record<string, unknown>,
  args: string[],
) => Promise<number>;

/** Adds a verb to the command line. */
export type AddVerb = (parent: Command, register: Register) => void;

/** Ties a command to what it does; the program keeps the exit code. */
export type Register = (command: Command, run: Run) => void;

/**
 * Connects an agent for as long as `use` runs. Only here, and so only for the verbs that need it,
 * is NATS loaded.
 */
export async function withAgent(
  terminal: Terminal,
  options: SharedOptions,
  use: (agent: Agent) => Promise<number>,
): Promise<number> {
  const [{ readAgentConfig }, agents] = await Promise.all([
    import('../src/config/config.ts'),
    import('../src/agent/agent.ts'),
  ]);
  const config = readAgentConfig(environment(terminal.env, options));
  const agent = await agents.Agent.connect({
    agentId: config.agentId ?? defaultAgentId(),
    namespace: config.namespace,
    servers: config.nats.servers,
    tls: config.nats.tls,
    auth: config.nats.auth,
    onWarning: (message) => terminal.err(`warning: ${message}`),
  });
  try {
    return await use(agent);
  } finally {
    await agent.close();
  }
}

/** One JSON value on a line of its own. */
export function printJson(terminal: Terminal, value: unknown): void {
  terminal.out(JSON.stringify(value));
}
