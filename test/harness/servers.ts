import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { createDatabase } from '../../tools/stack/postgres-server.ts';
import { startStack } from '../../tools/stack/servers.ts';
import type { Stack, StackOptions } from '../../tools/stack/servers.ts';

/** The servers that all test files of a run share. Never stop, freeze or reconfigure them. */
export interface SharedServers {
  readonly etcdUrls: readonly string[];
  readonly natsUrls: readonly string[];
  /** The superuser's, of the database `leasehold`; use `freshDatabase` for tables. */
  readonly superuserUrl: string;
}

export function serversForTests(): SharedServers {
  return {
    etcdUrls: inject('etcdUrls'),
    natsUrls: inject('natsUrls'),
    superuserUrl: inject('superuserUrl'),
  };
}

/** A namespace that no other test has used or will use: keys and subjects never meet. */
export function freshNamespace(): string {
  return `t-${randomBytes(6).toString('hex')}`;
}

/** A new, empty database on the shared Postgres; returns the superuser's URL of it. */
export function freshDatabase(): Promise<string> {
  return createDatabase(serversForTests().superuserUrl, `t_${randomBytes(6).toString('hex')}`);
}

/**
 * Separate servers, for tests that stop, kill or freeze them. The caller must `stop()` the
 * stack.
 */
export function startPrivateStack(options: StackOptions = {}): Promise<Stack> {
  return startStack({ durable: false, ...options });
}
