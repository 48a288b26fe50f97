import type { Witness } from './effects.ts';
import { eventually, type TestCluster } from './replicas.ts';
import type { StatusReply } from './replies.ts';

/** A child as Postgres has it. */
export interface ChildRow {
  instance_id: string;
  runbook_id: string;
  version: number;
  inputs: Record<string, unknown>;
  agent_id: string;
  parent_cell_id: string;
  parent_n: number | null;
  parent_attempt: number;
  parent_seq: number;
  parent_token: number;
}

/** Everything that the run cells of an instance have started, in the order of elements. */
export async function childrenOf(cluster: TestCluster, parentId: string): Promise<ChildRow[]> {
  const found = await cluster.app.query<ChildRow>(
    `select instance_id, runbook_id, version, inputs, agent_id, parent_cell_id, parent_n,
         parent_attempt, parent_seq::float8 as parent_seq, parent_token::float8 as parent_token
       from leasehold.instances where parent_instance_id = $1
       order by parent_cell_id, parent_n, parent_attempt`,
    [parentId],
  );
  return found.rows;
}

/** Gives no answer to the effects of the children that an instance is about to start. */
export function holdChildren(
  witness: Witness,
  parentId: string,
  { cellId, childCell, count }: { cellId: string; childCell: string; count: number },
): { release: (n: number) => void; releaseAll: () => void } {
  const releases = Array.from({ length: count }, (_, n) =>
    witness.holdBack(`${parentId}-${cellId}-${n}`, childCell),
  );
  return {
    release: (n) => releases[n]?.(),
    releaseAll: () => releases.forEach((release) => release()),
  };
}

/** Resolves once an instance has this status. */
export async function untilStatus(
  cluster: TestCluster,
  instanceId: string,
  status: string,
): Promise<StatusReply> {
  return eventually(async () => {
    const reply = await cluster.status(instanceId);
    return reply.status === status ? reply : undefined;
  });
}

/** Resolves once what an attended instance waits for is there. */
export async function untilDue(cluster: TestCluster, instanceId: string): Promise<void> {
  await eventually(async () => {
    const { due } = await cluster.status(instanceId);
    return due === true ? true : undefined;
  });
}
