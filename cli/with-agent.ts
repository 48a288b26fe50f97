import type { Agent } from '../src/agent/agent.ts';
import { defaultAgentId, environment } from './shared-options.ts';
import type { SharedOptions } from './shared-options.ts';
import type { Terminal } from './terminal.ts';

/** Connects an agent for as long as `use` runs. Loads NATS, and neither Postgres nor etcd. */
export async function withAgent(
  terminal: Terminal,
  options: SharedOptions,
  use: (agent: Agent) => Promise<number>,
): Promise<number> {
  const [{ readAgentConfig }, { Agent }] = await Promise.all([
    import('../src/config/config.ts'),
    import('../src/agent/agent.ts'),
  ]);
  const { agentId, namespace, nats } = readAgentConfig(environment(terminal.env, options));
  const agent = await Agent.connect({
    agentId: agentId ?? defaultAgentId(),
    namespace,
    ...nats,
    onWarning: (message) => terminal.err(`warning: ${message}`),
  });
  try {
    return await use(agent);
  } finally {
    await agent.close();
  }
}
