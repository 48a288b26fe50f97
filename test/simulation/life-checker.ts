import type { ChildEvidence, Evidence } from '../../src/audit/evidence.ts';
import type { Row } from '../../src/execution/row.ts';
import { foldRows } from '../../src/execution/state.ts';
import type { Breach } from './checker.ts';
import type { Cluster } from './cluster.ts';
import type { Acknowledged } from './persons.ts';
import type { Workload } from './workload.ts';

/** What only a simulated world shows of the life of its instances. */
export function breachesOfLife(cluster: Cluster, workload: Workload): Breach[] {
  const { postgres } = cluster;
  const found: Breach[] = [];
  for (const said of workload.persons.acknowledged) {
    const row = postgres.rowsOf(said.instanceId)[said.seq - 1];
    if (row !== undefined && isSaid(row, said)) continue;
    const name = `${said.kinds.join(' or ')} ${JSON.stringify(said.body)}`;
    const what = `${said.instanceId}: seq ${said.seq} was said to be ${name}, but is ${row?.kind ?? 'missing'}`;
    found.push({ guarantee: 5, what });
  }
  for (const row of [...postgres.rows.values()].flat()) {
    const claim = claimInTime(cluster, row);
    if (claim === undefined) continue;
    const what = `${row.instanceId}/${row.cellId} was ended by its deadline, but ${claim} was made before`;
    found.push({ guarantee: 7, what });
  }
  return found;
}

function isSaid(row: Row, { kinds, body }: Acknowledged): boolean {
  const says = Object.entries(body).every(([name, value]) => row.body[name] === value);
  return kinds.includes(row.kind) && says && row.requestId === null;
}

/** The claim that was made before the deadline by which this row ends a wait, if there is one. */
function claimInTime({ postgres }: Cluster, { body }: Row): string | undefined {
  const { deadline, claimId } = body;
  if (typeof deadline !== 'string' || typeof claimId !== 'string') return undefined;
  // Here a claim is committed at the moment that it names.
  const [first] = postgres.claims.get(claimId) ?? [];
  return first !== undefined && first.recordedAt < deadline ? claimId : undefined;
}

/** The instances that one has started, as an audit reads them. */
export function childrenOf({ postgres }: Cluster, parentId: string): ChildEvidence[] {
  return postgres.children.of(parentId).map(({ instanceId, ending, ...child }) => {
    const { seq = 0, fencingToken = 0 } = postgres.children.origins.get(instanceId) ?? {};
    const { recordedAt = '' } = postgres.instances.get(instanceId) ?? {};
    const rows = postgres.rowsOf(instanceId);
    const endedAt = ending && (rows.at(-1)?.recordedAt ?? recordedAt);
    const { outputs } = foldRows(rows);
    return { ...child, instanceId, seq, fencingToken, recordedAt, ending, endedAt, outputs };
  });
}

/** The instance that started this one, and whether it wants its children cancelled. */
export function parentOf({ postgres }: Cluster, instanceId: string): Evidence['parent'] {
  const origin = postgres.children.origins.get(instanceId);
  if (origin === undefined) return null;
  const cancelsChildren = postgres
    .rowsOf(origin.parentId)
    .some(({ kind, body }) => /^(unwinding|cancelled)$/.test(kind) && body['children'] === true);
  return { instanceId: origin.parentId, cancelsChildren };
}
