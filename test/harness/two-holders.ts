import type { Log } from '../../advancer/log/log.ts';
import { openLog } from '../../advancer/log/postgres-log.ts';
import type { PostgresLog } from '../../advancer/log/postgres-log.ts';
import { HeldInstance } from '../../advancer/run/held-instance.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import { over } from './controls.ts';
import { holderContext, holdingOf } from './holder.ts';

/** How two holders of one instance are set against each other. */
export interface TwoHolders {
  databaseUrl: string;
  namespace: string;
  instanceId: string;
  /** Wraps the product's log. */
  around: (log: Log) => Log;
}

/**
 * The product's own parts, twice, each convinced to hold the same instance (as after a freeze and a
 * take-over), on a real log. Both read the history before either writes. Returns both receipts;
 * none where a holder found that it no longer leads.
 */
export async function advanceTwice(options: TwoHolders): Promise<(Receipt | undefined)[]> {
  return withTwoHolders(options, async (held, index) => {
    const handled = await held.advance({
      instanceId: options.instanceId,
      requestId: `${options.instanceId}-${index}`,
      agentId: 'tester',
      wait: false,
      expiresAtMs: Date.now() + 60_000,
    });
    return handled.kind === 'receipt' ? handled.receipt : undefined;
  });
}

/** As {@link advanceTwice}, for whatever the two do at the same time. */
export async function withTwoHolders<T>(
  options: TwoHolders,
  act: (held: HeldInstance, index: number) => Promise<T>,
): Promise<T[]> {
  const logs: PostgresLog[] = [];
  const start = barrier(2);
  const runs = [10, 11].map((token, index) => {
    const replicaId = `holder${index}-0000000${index}`;
    const log = openLog({ url: options.databaseUrl, replicaId, namespace: options.namespace });
    logs.push(log);
    const held = new HeldInstance(
      holderContext(replicaId, options.around(readingTogether(log, start))),
      holdingOf(options.instanceId, token),
    );
    return act(held, index);
  });
  try {
    return await Promise.all(runs);
  } finally {
    await Promise.all(logs.map((log) => log.close()));
  }
}

function readingTogether(log: Log, start: () => Promise<void>): Log {
  let first = true;
  return over(log, {
    async snapshot(instanceId, requestId) {
      const read = await log.snapshot(instanceId, requestId);
      if (first) {
        first = false;
        await start();
      }
      return read;
    },
  });
}

function barrier(parties: number): () => Promise<void> {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  let waiting = 0;
  return () => {
    waiting += 1;
    if (waiting === parties) open();
    return opened;
  };
}
