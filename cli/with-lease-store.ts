import type { LeaseStore } from '../coordinator/store.ts';
import { environment } from './shared-options.ts';
import type { SharedOptions } from './shared-options.ts';
import type { Terminal } from './terminal.ts';

/** Longer than a lease lives: a person waits for the answer. */
const CALL_TIMEOUT_MS = 5_000;

/** Connects to etcd for as long as `use` runs. Loads etcd. */
export async function withLeaseStore(
  terminal: Terminal,
  options: SharedOptions,
  use: (store: LeaseStore, namespace: string) => Promise<number>,
): Promise<number> {
  const { etcdConnection, readEtcdConfig } = await import('../src/config/config.ts');
  const config = readEtcdConfig(environment(terminal.env, options));
  const { etcdStore } = await import('../coordinator/etcd/store.ts');
  const store = etcdStore({ ...etcdConnection(config), callTimeoutMs: CALL_TIMEOUT_MS });
  try {
    return await use(store, config.namespace);
  } finally {
    store.close();
  }
}
