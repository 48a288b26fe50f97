import { isId } from '../src/ids.ts';
import type { LeaseRecord, ReplicaRecord } from './leases.ts';
import type { Entry } from './store.ts';

/** Stands for the holder when a lease key's value cannot be read, e.g. one put by hand. */
const UNREADABLE_HOLDER = 'unreadable';

/** The prefix of every key of a namespace. */
export function namespacePrefix(namespace: string): string {
  return `/leasehold/${namespace}/`;
}

/** The key that says which replica holds an instance. */
export function leaseKey(namespace: string, instanceId: string): string {
  return `${namespacePrefix(namespace)}leases/${instanceId}`;
}

/** The key that says that a replica is alive. */
export function replicaKey(namespace: string, replicaId: string): string {
  return `${namespacePrefix(namespace)}replicas/${replicaId}`;
}

/** The key of the secrets that the namespace's replicas share. */
export function secretsKey(namespace: string): string {
  return `${namespacePrefix(namespace)}secrets`;
}

/** What a key is for; undefined if it is not one of ours. */
export function parseKey(
  namespace: string,
  key: string,
): { kind: 'lease' | 'replica'; id: string } | undefined {
  const prefix = namespacePrefix(namespace);
  if (!key.startsWith(prefix)) return undefined;
  const [folder, id, ...rest] = key.slice(prefix.length).split('/');
  if (!isId(id) || rest.length > 0) return undefined;
  if (folder === 'leases') return { kind: 'lease', id };
  if (folder === 'replicas') return { kind: 'replica', id };
  return undefined;
}

/** The value of a lease key. */
export function leaseValue(replicaId: string): string {
  return JSON.stringify({ replicaId });
}

/**
 * Reads a lease key. A value that cannot be read counts as held by {@link UNREADABLE_HOLDER}, never
 * as free.
 */
export function leaseRecord(instanceId: string, entry: Entry): LeaseRecord {
  const { replicaId } = fields(entry.value);
  return {
    instanceId,
    replicaId: isId(replicaId) ? replicaId : UNREADABLE_HOLDER,
    token: entry.modRevision,
  };
}

/**
 * The value of a replica's key. A draining replica is alive, so it stays registered, but marked:
 * other replicas leave it out when they rank replicas for an instance.
 */
export function replicaValue(replica: ReplicaRecord, draining: boolean): string {
  const { secretIds: secrets, ...record } = replica;
  const marked = draining ? true : undefined;
  // Members that are undefined are left out.
  return JSON.stringify({ ...record, secrets, draining: marked });
}

/**
 * Reads a replica's key. Missing fields are left empty: the key alone says that the process is
 * alive.
 */
export function replicaRecord(
  replicaId: string,
  entry: Entry,
): { replica: ReplicaRecord; draining: boolean } {
  const record = fields(entry.value);
  const { name, pid, httpUrl, handlers, effectSecrets, mac, secrets, draining } = record;
  return {
    replica: {
      replicaId,
      name: typeof name === 'string' ? name : '',
      pid: typeof pid === 'number' ? pid : 0,
      httpUrl: typeof httpUrl === 'string' ? httpUrl : '',
      ...(Array.isArray(handlers) ? { handlers: texts(handlers) } : {}),
      ...(Array.isArray(effectSecrets) ? { effectSecrets: texts(effectSecrets) } : {}),
      ...(typeof mac === 'number' ? { mac } : {}),
      ...(Array.isArray(secrets) ? { secretIds: texts(secrets) } : {}),
    },
    draining: draining === true,
  };
}

function texts(list: readonly unknown[]): string[] {
  return list.filter((item) => typeof item === 'string');
}

function fields(value: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
