/**
 * The places in which replicas run; a process is named after its place and its life there: `a1`,
 * then `a2`.
 */
export const PLACES = ['a', 'b', 'c'] as const;

/**
 * Where each place moves to, by index. Replicas are alike, so worlds that differ by a renaming are
 * one.
 */
export type Renaming = readonly number[];

/** Every renaming of that many replicas; the first changes nothing. */
export function renamingsOf(replicas: number): readonly Renaming[] {
  if (replicas === 1) return [[0]];
  return renamingsOf(replicas - 1)
    .flatMap((shorter) =>
      Array.from({ length: replicas }, (_, at) => [
        ...shorter.slice(0, at),
        replicas - 1,
        ...shorter.slice(at),
      ]),
    )
    .sort((one, other) => (one.join() < other.join() ? -1 : 1));
}

/** The name of a process after its place has moved. */
export function renameReplica(replicaId: string, renaming: Renaming): string {
  const place = replicaId.charCodeAt(0) - 97;
  return `${PLACES[renaming[place] ?? place] ?? '?'}${replicaId.slice(1)}`;
}
