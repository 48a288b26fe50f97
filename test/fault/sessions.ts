import type { ReplicaProcess } from '../harness/replica-process.ts';
import { eventually } from '../harness/replicas.ts';
import type { Scene } from '../harness/scene.ts';

/** Resolves once etcd no longer has a session of the replica: its lease has expired. */
export async function sessionGone(of: Scene, { replicaId }: ReplicaProcess): Promise<void> {
  await eventually(async () => {
    const { stdout } = await of.cluster.cli(['replicas', '--json']);
    return stdout.includes(replicaId) ? undefined : true;
  });
}
