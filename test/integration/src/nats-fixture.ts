import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { onTestFinished } from 'vitest';

import type { Bus, BusMessage } from '../../../src/bus/bus.ts';
import { connectBus } from '../../../src/bus/nats.ts';
import { serversForTests } from '../../harness/servers.ts';

/** A bus on the shared NATS, or on these servers, closed when the test is over. */
export async function openBus(
  options: { servers?: string[]; warnings?: string[]; inboxPrefix?: string } = {},
): Promise<Bus> {
  const bus = await connectBus({
    servers: options.servers ?? [...serversForTests().natsUrls],
    name: 'test',
    inboxPrefix: options.inboxPrefix,
    onWarning: (message) => void options.warnings?.push(message),
  });
  onTestFinished(() => bus.close());
  return bus;
}

/** A plain NATS connection, which can send what a bus would not; closed when the test is over. */
export async function rawNats(servers = [...serversForTests().natsUrls]): Promise<NatsConnection> {
  const raw = await connect({ servers });
  onTestFinished(() => raw.close());
  return raw;
}

/** Resolves when the condition holds; otherwise the test times out. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

export const text = (message: BusMessage): string => new TextDecoder().decode(message.data);
