import { EXIT } from '../exit-code.ts';
import { addSharedOptions, ETCD_OPTIONS } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';
import { withLeaseStore } from '../with-lease-store.ts';

/** `leasehold leases` */
export const leases: DefineVerb = (command, register) => {
  addSharedOptions(command, ETCD_OPTIONS).description(
    'List leases: which replica holds which instance, and under which fencing token. Reads etcd.',
  );
  register(command, (terminal, options) =>
    withLeaseStore(terminal, options, async (store, namespace) => {
      const { leaseRecord, namespacePrefix, parseKey } = await import('../../coordinator/keys.ts');
      const { entries } = await store.list(`${namespacePrefix(namespace)}leases/`);
      const found = entries.flatMap((entry) => {
        const id = parseKey(namespace, entry.key)?.id;
        return id === undefined ? [] : [leaseRecord(id, entry)];
      });
      if (options.json === true) {
        for (const lease of found) printJson(terminal, lease);
        return EXIT.done;
      }
      if (found.length === 0) {
        terminal.out(`no leases in namespace ${namespace}`);
        return EXIT.done;
      }
      const { table } = await import('../render/table.ts');
      const rows = found.map(({ instanceId, replicaId, token }) => [instanceId, replicaId, token]);
      terminal.out(table(['INSTANCE', 'REPLICA', 'TOKEN'], rows, terminal));
      return EXIT.done;
    }),
  );
};
