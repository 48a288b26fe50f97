import type { ReplicaProcess } from './replica-process.ts';
import { eventually, type TestCluster } from './replicas.ts';

/** An answer of `/readyz`. */
export interface Readiness {
  code: number;
  reasons: string[];
}

/** What `/readyz` of the replica answers. */
export function readiness({ httpUrl }: ReplicaProcess): Promise<Readiness> {
  return readinessAt(httpUrl);
}

/** What `/readyz` answers at the URL of a replica, which need not be ready yet. */
async function readinessAt(httpUrl: string): Promise<Readiness> {
  const response = await fetch(`${httpUrl}/readyz`);
  const { reasons } = (await response.json()) as { reasons: string[] };
  return { code: response.status, reasons };
}

/** Resolves once every replica is ready. */
export async function allReady(cluster: TestCluster): Promise<void> {
  await eventually(async () => {
    const all = await Promise.all(cluster.replicas.map(readiness));
    return all.every(({ code }) => code === 200) ? true : undefined;
  });
}

/**
 * Resolves with the first answer that is not ready for this reason. The replica at that URL may not
 * have started yet.
 */
export function notReadyFor(reason: RegExp, httpUrl: string): Promise<Readiness> {
  return eventually(async () => {
    const seen = await readinessAt(httpUrl).catch(() => undefined);
    return seen?.reasons.some((text) => reason.test(text)) === true ? seen : undefined;
  });
}
