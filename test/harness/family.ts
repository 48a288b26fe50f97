import type { TestCluster } from './replicas.ts';
import type { ReceiptReply } from './replies.ts';

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

/** Advances every child of an instance once, and returns their receipts. */
export async function advanceChildren(
  cluster: TestCluster,
  parentId: string,
  requestPrefix: string,
): Promise<ReceiptReply[]> {
  const children = await childrenOf(cluster, parentId);
  return Promise.all(
    children.map(({ instance_id: id }) => cluster.advance(id, `${requestPrefix}-${id}`)),
  );
}
