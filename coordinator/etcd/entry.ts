import type { IKeyValue } from 'etcd3';
import { exactInteger } from '../../src/ids.ts';
import type { Entry } from '../store.ts';

/** A key-value pair as the port defines it. */
export function entryOf(kv: IKeyValue): Entry {
  return {
    key: kv.key.toString(),
    value: kv.value.toString(),
    createRevision: exactInteger(kv.create_revision),
    modRevision: exactInteger(kv.mod_revision),
    leaseId: kv.lease === '0' ? undefined : kv.lease,
  };
}
