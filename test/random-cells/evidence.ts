import type { TestCluster } from '../harness/replicas.ts';
import type { CarriedCell } from './agents.ts';
import type { LogRow } from './attribution.ts';
import type { Evidence, LateOutcome } from './checker.ts';
import type { Ledger } from './ledger.ts';

/** Reads the ledger and the log, and puts together what belongs to each instance. */
export async function evidenceOf(
  cluster: TestCluster,
  ledger: Ledger,
  carried: readonly CarriedCell[],
  statuses: ReadonlyMap<string, string | undefined>,
): Promise<Evidence[]> {
  const rows = await cluster.app.query<LogRow & { instanceId: string }>(
    `select instance_id as "instanceId", seq::int, fencing_token::float8 as token,
       replica_id as "replicaId", kind, cell_id as "cellId", attempt, body,
       extract(epoch from recorded_at)::float8 * 1000 as "recordedAtMs"
     from leasehold.executions order by instance_id, seq`,
  );
  const late = await cluster.app.query<LateOutcome & { instanceId: string }>(
    `select instance_id as "instanceId", cell_id as "cellId", attempt, kind, body
     from leasehold.late_outcomes`,
  );
  const { effects, probes } = ledger.read();
  const [rowsOf, lateOf, effectsOf, probesOf] = [
    byInstance(rows.rows),
    byInstance(late.rows),
    byInstance(effects),
    byInstance(probes),
  ];
  return carried.map(({ cell, unavailable }) => ({
    cell,
    effects: effectsOf.get(cell.instanceId) ?? [],
    probes: probesOf.get(cell.instanceId) ?? [],
    rows: rowsOf.get(cell.instanceId) ?? [],
    late: lateOf.get(cell.instanceId) ?? [],
    status: statuses.get(cell.instanceId),
    unavailable,
  }));
}

function byInstance<T extends { instanceId: string }>(all: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const group = groups.get(one.instanceId);
    if (group === undefined) groups.set(one.instanceId, [one]);
    else group.push(one);
  }
  return groups;
}
