import { eventually, type ReplicaProcess, type TestCluster } from '../harness/replicas.ts';

/** What `/readyz` of the replica answers. */
export async function readiness(
  replica: ReplicaProcess,
): Promise<{ code: number; reasons: string[] }> {
  const response = await fetch(`${replica.httpUrl}/readyz`);
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
