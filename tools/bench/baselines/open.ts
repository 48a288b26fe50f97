import { Client } from 'pg';

import { advisoryLock } from './advisory-lock.ts';
import type { Baseline, BaselineName } from './baseline.ts';
import { floor } from './floor.ts';
import { reservation } from './reservation.ts';

const BY_NAME: Readonly<Record<BaselineName, Baseline>> = {
  floor,
  advisory_lock: advisoryLock,
  reservation,
};

/** Agents of one baseline, each with a connection of its own. */
export interface BaselineAgents {
  steps: readonly (() => Promise<void>)[];
  close(): Promise<void>;
}

/** Makes the tables of every baseline in an empty database. */
export async function createBaselineTables(url: string): Promise<void> {
  const client = await connect(url);
  try {
    for (const { schema } of Object.values(BY_NAME)) await client.query(schema);
  } finally {
    await client.end();
  }
}

/**
 * Connects agents of a baseline, each to an instance of its own.
 *
 * @param prefix in front of the instances' ids, so that no two calls share one
 */
export async function openBaseline(
  name: BaselineName,
  url: string,
  agents: number,
  prefix: string,
): Promise<BaselineAgents> {
  const clients: Client[] = [];
  // Postgres forks a process for each; all at once would only queue.
  for (let from = 0; from < agents; from += 32) {
    const some = Array.from({ length: Math.min(32, agents - from) }, () => connect(url));
    clients.push(...(await Promise.all(some)));
  }
  return {
    steps: clients.map((client, index) => BY_NAME[name].agent(client, `${prefix}-${index}`)),
    async close() {
      await Promise.all(clients.map((client) => client.end()));
    },
  };
}

async function connect(url: string): Promise<Client> {
  const client = new Client({
    connectionString: url,
    application_name: 'leasehold-bench-baseline',
    // Statements that do not need each other's answers share a round trip.
    pipeline: true,
    // The product asks for the same, whatever the database's own default is.
    options: '-c synchronous_commit=on',
  });
  await client.connect();
  return client;
}
