import { StreamUnavailable, type PoisonStream } from '../src/bus/request-stream.ts';
import { readAgentConfig } from '../src/config/config.ts';
import { connectBus } from '../src/bus/nats.ts';
import { subjects } from '../src/bus/subjects.ts';
import { errorText } from '../src/error-text.ts';
import { environment } from './shared-options.ts';
import type { SharedOptions } from './shared-options.ts';
import type { Terminal } from './terminal.ts';

/** Connects to the messages that cannot be served for as long as `use` runs. Loads NATS. */
export async function withPoisonStream(
  terminal: Terminal,
  options: SharedOptions,
  use: (poison: PoisonStream) => Promise<number>,
): Promise<number> {
  const { namespace, nats } = readAgentConfig(environment(terminal.env, options));
  const bus = await connectBus({
    ...nats,
    name: 'leasehold requests',
    onWarning: (message) => terminal.err(`warning: ${message}`),
  }).catch((cause: unknown) => {
    throw new StreamUnavailable(errorText(cause), { cause });
  });
  try {
    return await use(bus.poisonStream(subjects(namespace)));
  } finally {
    await bus.close();
  }
}
