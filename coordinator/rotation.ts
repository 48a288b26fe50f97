import type { Clock } from '../src/time/clock.ts';
import { namespacePrefix, parseKey, replicaRecord, secretsKey } from './keys.ts';
import type { ReplicaRecord } from './leases.ts';
import { newSecret, readSecrets, secretsValue, type NamespaceSecret } from './secrets.ts';
import type { Entry, LeaseStore } from './store.ts';

/** How often to look whether every replica has the new secret, in milliseconds. */
const LOOK_MS = 200;

/** A namespace's secrets, by their ids, and which replicas have them. */
export interface SecretsInUse {
  /** Oldest first. */
  ids: string[];
  /** The registered replicas that seal their messages. */
  replicas: ReplicaRecord[];
}

/** What became of a rotation. */
export type Rotation =
  | { kind: 'rotated'; id: string; removed: string[] }
  /** These replicas did not have the new secret in time; both secrets stay. */
  | { kind: 'waiting'; id: string; replicaIds: string[] }
  | NoSecrets;

/** Why there are no secrets to work with. */
export type NoSecrets = { kind: 'none' } | { kind: 'unreadable'; why: string };

/** How to rotate a namespace's secret. */
export interface RotationOptions {
  store: Pick<LeaseStore, 'read' | 'list' | 'replace'>;
  namespace: string;
  clock: Clock;
  /** How long the replicas have to read the new secret, in milliseconds. */
  timeoutMs: number;
  /** Called with the id of a secret that was added. */
  onAdded: (id: string) => void;
}

/** The secrets of a namespace, and who has them. Throws as the store does. */
export async function secretsInUse(
  store: Pick<LeaseStore, 'read' | 'list'>,
  namespace: string,
): Promise<SecretsInUse | NoSecrets> {
  const found = await readStored(store, namespace);
  if ('kind' in found) return found;
  const replicas = await sealingReplicas(store, namespace);
  return { ids: found.secrets.map(({ id }) => id), replicas };
}

/**
 * Replaces the secret of a namespace, without silencing a replica: adds one, waits until every
 * replica has it, and removes the others. A rotation that was interrupted is taken up where it
 * ended. Throws as the store does.
 */
export async function rotateSecret(options: RotationOptions): Promise<Rotation> {
  const { store, namespace, clock, timeoutMs, onAdded } = options;
  const key = secretsKey(namespace);
  const untilMs = clock.monotonicMs() + timeoutMs;
  for (;;) {
    const found = await readStored(store, namespace);
    if ('kind' in found) return found;
    const { secrets, entry } = found;
    if (secrets.length === 1) {
      const added = newSecret();
      if (await store.replace(key, secretsValue([...secrets, added]), entry.modRevision))
        onAdded(added.id);
      continue;
    }
    const newest = secrets.at(-1)!;
    const replicas = await sealingReplicas(store, namespace);
    const without = replicas.filter(({ secretIds }) => secretIds?.includes(newest.id) !== true);
    if (without.length === 0) {
      if (!(await store.replace(key, secretsValue([newest]), entry.modRevision))) continue;
      const removed = secrets.slice(0, -1).map(({ id }) => id);
      return { kind: 'rotated', id: newest.id, removed };
    }
    if (clock.monotonicMs() >= untilMs) {
      const replicaIds = without.map(({ replicaId }) => replicaId);
      return { kind: 'waiting', id: newest.id, replicaIds };
    }
    await clock.sleep(LOOK_MS);
  }
}

async function readStored(
  store: Pick<LeaseStore, 'read'>,
  namespace: string,
): Promise<{ secrets: readonly NamespaceSecret[]; entry: Entry } | NoSecrets> {
  const [entry] = (await store.read([secretsKey(namespace)])).entries;
  if (entry === undefined) return { kind: 'none' };
  const read = readSecrets(entry.value);
  return read.ok ? { secrets: read.secrets, entry } : { kind: 'unreadable', why: read.why };
}

/** The registered replicas, without those of versions that seal nothing. */
async function sealingReplicas(
  store: Pick<LeaseStore, 'list'>,
  namespace: string,
): Promise<ReplicaRecord[]> {
  const { entries } = await store.list(`${namespacePrefix(namespace)}replicas/`);
  return entries.flatMap((entry) => {
    const id = parseKey(namespace, entry.key)?.id;
    if (id === undefined) return [];
    const { replica } = replicaRecord(id, entry);
    return replica.mac === undefined ? [] : [replica];
  });
}
