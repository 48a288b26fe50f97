import type { ChaosRecord } from '../record.ts';

/** Each replica's colour class: one per configured name, shared by all processes of that name. */
export interface ReplicaPalette {
  names: readonly string[];
  /** The replica name for a replica id, whether or not the record lists that process. */
  nameOf(replicaId: string): string;
  /** `r0` to `r7`; with more than eight names they repeat, and only the written name differs. */
  classOf(replicaId: string): string;
}

const COLOURS = 8;

export function replicaPalette(record: ChaosRecord): ReplicaPalette {
  const nameById = new Map(record.replicas.map(({ replicaId, name }) => [replicaId, name]));
  const names = [...new Set(record.replicas.map(({ name }) => name))].sort(byNatural);
  const indexByName = new Map(names.map((name, index) => [name, index]));
  const nameOf = (replicaId: string): string =>
    nameById.get(replicaId) ?? replicaId.replace(/-[0-9a-f]{8}$/, '');
  return {
    names,
    nameOf,
    classOf: (replicaId) => {
      const index = indexByName.get(nameOf(replicaId)) ?? indexByName.get(replicaId);
      return index === undefined ? 'r-other' : `r${index % COLOURS}`;
    },
  };
}

/** `r2` before `r10`. */
export function byNatural(a: string, b: string): number {
  return NATURAL.compare(a, b);
}

const NATURAL = new Intl.Collator('en-US', { numeric: true });
