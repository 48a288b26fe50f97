import { etcdConnection, readEtcdConfig } from '../../src/config/config.ts';
import type { LeaseStore } from '../../coordinator/store.ts';
import { EXIT } from '../exit-code.ts';
import type { Terminal } from '../terminal.ts';
import { environment, shared } from '../options.ts';
import type { SharedOptions } from '../options.ts';
import { table } from '../render/table.ts';
import { printJson } from '../verb.ts';
import type { AddVerb } from '../verb.ts';

/** `leasehold leases`: who holds what, as etcd has it. */
export const addLeases: AddVerb = (parent, register) => {
  const command = shared(parent.command('leases'), 'etcd').description(
    'who holds which instance, from etcd',
  );
  register(command, (terminal, options) =>
    withStore(terminal, options, async (store, namespace) => {
      const { leaseRecord, namespacePrefix, parseKey } = await import('../../coordinator/keys.ts');
      const { entries } = await store.list(`${namespacePrefix(namespace)}leases/`);
      const leases = entries.flatMap((entry) => {
        const id = parseKey(namespace, entry.key)?.id;
        return id === undefined ? [] : [leaseRecord(id, entry)];
      });
      if (options.json === true) for (const lease of leases) printJson(terminal, lease);
      else {
        const rows = leases.map(({ instanceId, replicaId, token }) => [
          instanceId,
          replicaId,
          token,
        ]);
        print(
          terminal,
          ['INSTANCE', 'REPLICA', 'TOKEN'],
          rows,
          `nobody holds anything in namespace ${namespace}`,
        );
      }
      return EXIT.done;
    }),
  );
};

/** `leasehold replicas`: who is registered, as etcd has it. */
export const addReplicas: AddVerb = (parent, register) => {
  const command = shared(parent.command('replicas'), 'etcd').description(
    'which replicas live, from etcd',
  );
  register(command, (terminal, options) =>
    withStore(terminal, options, async (store, namespace) => {
      const keys = await import('../../coordinator/keys.ts');
      const prefix = keys.namespacePrefix(namespace);
      const [replicas, leases] = await Promise.all([
        store.list(`${prefix}replicas/`),
        store.list(`${prefix}leases/`),
      ]);
      const held = new Map<string, number>();
      for (const entry of leases.entries) {
        const { replicaId } = keys.leaseRecord('', entry);
        held.set(replicaId, (held.get(replicaId) ?? 0) + 1);
      }
      const found = replicas.entries.flatMap((entry) => {
        const id = keys.parseKey(namespace, entry.key)?.id;
        if (id === undefined) return [];
        const { replica, draining } = keys.replicaRecord(id, entry);
        return [{ ...replica, draining, holdings: held.get(id) ?? 0 }];
      });
      if (options.json === true) for (const replica of found) printJson(terminal, replica);
      else {
        const rows = found.map(({ replicaId, pid, httpUrl, draining, holdings }) => [
          replicaId,
          pid,
          httpUrl,
          draining ? 'draining' : 'serving',
          holdings,
        ]);
        const none = `no replica is registered in namespace ${namespace}; start one with: leasehold advancer`;
        print(terminal, ['REPLICA', 'PID', 'HTTP', 'STATE', 'HOLDS'], rows, none);
      }
      return EXIT.done;
    }),
  );
};

function print(
  terminal: Terminal,
  head: string[],
  rows: (string | number)[][],
  none: string,
): void {
  terminal.out(rows.length === 0 ? none : table(head, rows, terminal));
}

async function withStore(
  terminal: Terminal,
  options: SharedOptions,
  use: (store: LeaseStore, namespace: string) => Promise<number>,
): Promise<number> {
  const config = readEtcdConfig(environment(terminal.env, options));
  const { etcdStore } = await import('../../coordinator/etcd/store.ts');
  // A person waits longer than a lease does.
  const store = etcdStore({ ...etcdConnection(config), callTimeoutMs: 5_000 });
  try {
    return await use(store, config.namespace);
  } finally {
    store.close();
  }
}
