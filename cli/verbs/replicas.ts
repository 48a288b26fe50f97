import type { LeaseStore } from '../../coordinator/store.ts';
import { EXIT } from '../exit-code.ts';
import { addSharedOptions, ETCD_OPTIONS } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';
import { withLeaseStore } from '../with-lease-store.ts';

/** `leasehold replicas` */
export const replicas: DefineVerb = (command, register) => {
  addSharedOptions(command, ETCD_OPTIONS).description(
    'List live replicas, whether each is draining, and how many instances it holds. Reads etcd.',
  );
  register(command, (terminal, options) =>
    withLeaseStore(terminal, options, async (store, namespace) => {
      const found = await readReplicas(store, namespace);
      if (options.json === true) {
        for (const replica of found) printJson(terminal, replica);
        return EXIT.done;
      }
      if (found.length === 0) {
        terminal.out(`no replicas in namespace ${namespace}; start one with: leasehold advancer`);
        return EXIT.done;
      }
      const { table } = await import('../render/table.ts');
      const rows = found.map(({ replicaId, pid, httpUrl, draining, holdings }) => [
        replicaId,
        pid,
        httpUrl,
        draining ? 'draining' : 'serving',
        holdings,
      ]);
      terminal.out(table(['REPLICA', 'PID', 'HTTP', 'STATE', 'HOLDS'], rows, terminal));
      return EXIT.done;
    }),
  );
};

async function readReplicas(store: LeaseStore, namespace: string) {
  const { leaseRecord, namespacePrefix, parseKey, replicaRecord } =
    await import('../../coordinator/keys.ts');
  const prefix = namespacePrefix(namespace);
  const [replicaList, leaseList] = await Promise.all([
    store.list(`${prefix}replicas/`),
    store.list(`${prefix}leases/`),
  ]);
  const holdings = new Map<string, number>();
  for (const entry of leaseList.entries) {
    const { replicaId } = leaseRecord('', entry);
    holdings.set(replicaId, (holdings.get(replicaId) ?? 0) + 1);
  }
  return replicaList.entries.flatMap((entry) => {
    const id = parseKey(namespace, entry.key)?.id;
    if (id === undefined) return [];
    const { replica, draining } = replicaRecord(id, entry);
    return [{ ...replica, draining, holdings: holdings.get(id) ?? 0 }];
  });
}
