import type { TestCluster } from '../harness/replicas.ts';
import type { LogRow } from '../random-cells/attribution.ts';
import type { Life } from './life.ts';
import type { Arrival, Receiver } from './receiver.ts';
import type { Exchange, Wire } from './wire.ts';

/** A receipt as it is recorded. */
export interface RecordedReceipt {
  requestId: string;
  outcome: string;
  steps: { seq: number; cellId: string; kind: string; attempt: number }[];
}

/** A revision of a claim. */
export interface ClaimRow {
  claimId: string;
  status: string;
  recordedAtMs: number;
}

/** A replica that was frozen between an intent and its effect. */
export interface Freeze {
  instanceId: string;
  cellId: string;
  replicaId: string;
  fromMs: number;
  toMs: number;
}

/** Everything that is known of one instance: planned, witnessed, recorded and answered. */
export interface Evidence {
  life: Life;
  /** The instance's log, by seq. */
  rows: readonly LogRow[];
  /** When it was started. */
  startedAtMs: number;
  receipts: readonly RecordedReceipt[];
  claims: readonly ClaimRow[];
  arrivals: readonly Arrival[];
  told: readonly Exchange[];
  freezes: readonly Freeze[];
  /** What `status` answers at the end; undefined if nobody answered. */
  status: string | undefined;
}

/** What all evidence is put together from. */
export interface Sources {
  cluster: TestCluster;
  wire: Wire;
  receiver: Receiver;
  freezes: readonly Freeze[];
  statuses: ReadonlyMap<string, string | undefined>;
}

const MS = (column: string): string => `extract(epoch from ${column})::float8 * 1000`;

/** Reads the log, and puts together what belongs to each life. */
export async function evidenceOf(sources: Sources, lives: readonly Life[]): Promise<Evidence[]> {
  const { cluster, wire, receiver, freezes, statuses } = sources;
  const rowsOf = grouped(
    await all<LogRow & Of>(
      cluster,
      `select instance_id as "instanceId", seq::int, fencing_token::float8 as token,
         replica_id as "replicaId", kind, cell_id as "cellId", attempt, body,
         ${MS('recorded_at')} as "recordedAtMs"
       from leasehold.executions order by instance_id, seq`,
    ),
  );
  const startedOf = grouped(
    await all<Of & { atMs: number }>(
      cluster,
      `select instance_id as "instanceId", ${MS('recorded_at')} as "atMs"
       from leasehold.instances`,
    ),
  );
  const receiptsOf = grouped(
    await all<RecordedReceipt & Of>(
      cluster,
      `select instance_id as "instanceId", request_id as "requestId",
         receipt ->> 'outcome' as outcome, receipt -> 'steps' as steps
       from leasehold.requests`,
    ),
  );
  const claims = await all<ClaimRow>(
    cluster,
    `select claim_id as "claimId", status, ${MS('recorded_at')} as "recordedAtMs"
     from leasehold.claims order by claim_id, revision`,
  );
  // `l7-c2` belongs to l7.
  const claimsOf = grouped(
    claims.map((claim) => ({ ...claim, instanceId: claim.claimId.replace(/-c\d+$/, '') })),
  );
  const arrivalsOf = grouped(receiver.all());
  const freezesOf = grouped(freezes);
  return lives.map((life) => {
    const { instanceId } = life;
    return {
      life,
      rows: rowsOf.get(instanceId) ?? [],
      startedAtMs: startedOf.get(instanceId)?.[0]?.atMs ?? 0,
      receipts: receiptsOf.get(instanceId) ?? [],
      claims: claimsOf.get(instanceId) ?? [],
      arrivals: arrivalsOf.get(instanceId) ?? [],
      told: wire.toldOf(instanceId),
      freezes: freezesOf.get(instanceId) ?? [],
      status: statuses.get(instanceId),
    };
  });
}

interface Of {
  instanceId: string;
}

async function all<Row extends object>(cluster: TestCluster, text: string): Promise<Row[]> {
  return (await cluster.app.query<Row & Record<string, unknown>>(text)).rows;
}

function grouped<T extends Of>(items: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.instanceId);
    if (group === undefined) groups.set(item.instanceId, [item]);
    else group.push(item);
  }
  return groups;
}
