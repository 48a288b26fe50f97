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

/** Agents of one baseline, each with its own connection. */
export interface BaselineAgents {
  steps: readonly (() => Promise<void>)[];
  close(): Promise<void>;
}

/** Creates the tables of every baseline in an empty database. */
export async function createBaselineTables(url: string): Promise<void> {
  const client = await connect(url);
  try {
    for (const { schema } of Object.values(BY_NAME)) await client.query(schema);
  } finally {
    await client.end();
  }
}

/** Which baseline to run, and with how many agents. */
export interface OpenBaselineOptions {
  name: BaselineName;
  url: string;
  agents: number;
  /** Prefix of the instances' ids, so that no two calls share one. */
  prefix: string;
}

/** Connects agents of a baseline, each for its own instance. */
export async function openBaseline(options: OpenBaselineOptions): Promise<BaselineAgents> {
  const { name, url, agents, prefix } = options;
  const clients: Client[] = [];
  // Postgres forks a process for each connection; opening all at once would only queue.
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
    // Statements that do not depend on each other's results share a round trip.
    pipeline: true,
    // The product sets the same, whatever the database's default is.
    options: '-c synchronous_commit=on',
  });
  await client.connect();
  return client;
}
