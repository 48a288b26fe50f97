import { Client } from 'pg';

/** The rows that an empty log is filled with. */
export interface Fill {
  /** Approximately how many rows. */
  rows: number;
  runbookId: string;
  /** Prefix of the instances' ids; a number from 0 follows. */
  prefix: string;
  /** Rows of each instance: two for each completed cell. */
  rowsPerInstance: number;
}

const INSTANCES_AT_ONCE = 5_000;

/**
 * Fills an empty log with instances in the middle of their runbook: rows, receipts and projection,
 * as if an agent had advanced each instance by one cell per request.
 *
 * It bypasses the guard and all triggers (`session_replication_role = replica`, which needs a
 * superuser). Ten million rows through the guard would take an hour and be the same rows, because
 * nothing contends for these instances.
 *
 * @param onProgress called with the number of rows written so far
 */
export async function fillLog(
  superuserUrl: string,
  fill: Fill,
  onProgress: (rows: number) => void,
): Promise<void> {
  const { rows, runbookId, prefix, rowsPerInstance } = fill;
  const client = new Client({
    connectionString: superuserUrl,
    application_name: 'leasehold-bench-fill',
  });
  await client.connect();
  try {
    await client.query(`set session_replication_role = replica; set synchronous_commit = off`);
    const instances = Math.ceil(rows / rowsPerInstance);
    for (let from = 0; from < instances; from += INSTANCES_AT_ONCE) {
      const to = Math.min(instances, from + INSTANCES_AT_ONCE) - 1;
      for (const statement of [INSTANCES, PROJECTION]) {
        await client.query(statement, [
          prefix,
          from,
          to,
          runbookId,
          ...(statement === PROJECTION ? [rowsPerInstance] : []),
        ]);
      }
      await client.query(EXECUTIONS, [prefix, from, to, rowsPerInstance]);
      await client.query(RECEIPTS, [prefix, from, to, rowsPerInstance]);
      onProgress((to + 1) * rowsPerInstance);
    }
    // Otherwise autovacuum and the flush of these writes would fall into a measurement.
    await client.query('vacuum (analyze)');
    await client.query('checkpoint');
  } finally {
    await client.end();
  }
}

const INSTANCES = `
  insert into leasehold.instances (instance_id, runbook_id, version, inputs, agent_id)
    select $1 || '-' || i, $4, 1, '{}', 'bench' from generate_series($2::int, $3::int) i`;

const PROJECTION = `
  insert into leasehold_projection.instances
      (instance_id, runbook_id, version, status, next_cell_id, last_seq, updated_at)
    select $1 || '-' || i, $4, 1, 'ready', 'c' || ($5::int / 2 + 1), $5::int, clock_timestamp()
      from generate_series($2::int, $3::int) i`;

const EXECUTIONS = `
  insert into leasehold.executions
      (instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt,
       request_id, agent_id, body)
    select $1 || '-' || i, s, 1, 'bench-fill-00000000',
           case when s % 2 = 1 then 'started' else 'completed' end, 'c' || ((s + 1) / 2), 1,
           $1 || '-' || i || '-r' || ((s + 1) / 2), 'bench',
           case when s % 2 = 1 then '{}'::jsonb else '{"output": {"ok": true}}'::jsonb end
      from generate_series($2::int, $3::int) i, generate_series(1, $4::int) s`;

const RECEIPTS = `
  insert into leasehold.requests
      (request_id, instance_id, fencing_token, last_seq, with_rows, receipt)
    select $1 || '-' || i || '-r' || c, $1 || '-' || i, 1, c * 2, true,
           jsonb_build_object(
             'requestId', $1 || '-' || i || '-r' || c, 'instanceId', $1 || '-' || i,
             'outcome', 'advanced',
             'steps', jsonb_build_array(
               jsonb_build_object(
                 'seq', c * 2 - 1, 'cellId', 'c' || c, 'kind', 'started', 'attempt', 1),
               jsonb_build_object(
                 'seq', c * 2, 'cellId', 'c' || c, 'kind', 'completed', 'attempt', 1)),
             'nextCellId', 'c' || (c + 1),
             'holder', jsonb_build_object('replicaId', 'bench-fill-00000000', 'fencingToken', 1))
      from generate_series($2::int, $3::int) i, generate_series(1, $4::int / 2) c`;
