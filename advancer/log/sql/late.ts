import type { JsonObject } from '../../../src/json.ts';
import { exactInteger } from '../../../src/ids.ts';
import type { Queryable } from '../connections.ts';
import type { LateOutcome, Refusal } from '../log.ts';

interface LateLine {
  instance_id: string;
  cell_id: string;
  attempt: number;
  fencing_token: string;
  replica_id: string;
  kind: LateOutcome['kind'];
  body: JsonObject;
}

/**
 * Stores a late outcome. A second one of the same kind, by the same process in the same term, is
 * ignored.
 */
export async function insertLateOutcome(db: Queryable, late: LateOutcome): Promise<void> {
  await db.query(
    `insert into leasehold.late_outcomes
         (instance_id, cell_id, attempt, fencing_token, replica_id, kind, body)
       values ($1, $2, $3, $4, $5, $6, $7::jsonb) on conflict do nothing`,
    [
      late.instanceId,
      late.cellId,
      late.attempt,
      late.fencingToken,
      late.replicaId,
      late.kind,
      JSON.stringify(late.body),
    ],
  );
}

/** The late outcomes of one attempt, oldest first. */
export async function readLateOutcomes(
  db: Queryable,
  instanceId: string,
  cellId: string,
  attempt: number,
): Promise<LateOutcome[]> {
  const lines = await db.query<LateLine>(
    `select instance_id, cell_id, attempt, fencing_token, replica_id, kind, body
       from leasehold.late_outcomes
       where instance_id = $1 and cell_id = $2 and attempt = $3 order by recorded_at, kind`,
    [instanceId, cellId, attempt],
  );
  return lines.map((line) => ({
    instanceId: line.instance_id,
    cellId: line.cell_id,
    attempt: line.attempt,
    fencingToken: exactInteger(line.fencing_token),
    replicaId: line.replica_id,
    kind: line.kind,
    body: line.body,
  }));
}

/** Records that a stale write was refused. */
export async function insertRefusal(db: Queryable, refusal: Refusal): Promise<void> {
  await db.query(
    `insert into leasehold.refusals (instance_id, seq, fencing_token, replica_id, kind, reason)
       values ($1, $2, $3, $4, $5, $6)`,
    [
      refusal.instanceId,
      refusal.seq,
      refusal.fencingToken,
      refusal.replicaId,
      refusal.kind,
      refusal.reason,
    ],
  );
}
