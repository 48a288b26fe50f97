import type { Bus } from '../bus/bus.ts';
import { connectBus } from '../bus/nats.ts';
import { errorText } from '../error-text.ts';
import { LeaseholdError } from './error.ts';
import type { AgentOptions } from './options.ts';

/**
 * An agent's connection to NATS.
 *
 * @throws LeaseholdError `invalid` for addresses that are none, `unavailable` when NATS cannot be
 *   reached
 */
export async function connectedBus(options: AgentOptions): Promise<Bus> {
  try {
    return await connectBus({
      servers: options.servers ?? ['nats://127.0.0.1:4222'],
      name: `leasehold agent ${options.agentId}`,
      onWarning: options.onWarning,
      tls: options.tls,
      auth: options.auth,
      inboxPrefix: options.inboxPrefix,
      waitOnFirstConnect: options.waitOnFirstConnect,
      connectTimeoutMs: options.connectTimeoutMs,
    });
  } catch (cause) {
    const message = errorText(cause);
    if (cause instanceof RangeError)
      throw new LeaseholdError({ code: 'invalid', message, field: 'servers' }, { cause });
    throw new LeaseholdError({ code: 'unavailable', message }, { cause });
  }
}
