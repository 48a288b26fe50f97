import type { Client } from 'pg';

/**
 * What `leasehold bench` compares the product with: what a user would write with Postgres alone.
 * docs/bench.md lists the statements of each.
 */
export const BASELINES = ['floor', 'advisory_lock', 'reservation'] as const;
/** See {@link BASELINES}. */
export type BaselineName = (typeof BASELINES)[number];

/** One way to advance an instance by one cell. */
export interface Baseline {
  /** The SQL that creates its tables. */
  schema: string;
  /**
   * One agent on its own connection.
   *
   * @returns a function that does one step of the instance; it rejects when Postgres refuses, or
   *   when another agent had the step
   */
  agent(client: Client, instanceId: string): () => Promise<void>;
}

/** The columns of `leasehold.executions`, without its guard. */
export function executionsTable(name: string): string {
  return `create table ${name} (
    instance_id text not null,
    seq bigint not null,
    fencing_token bigint not null,
    replica_id text not null,
    kind text not null,
    cell_id text not null,
    attempt int not null default 1,
    request_id text,
    agent_id text,
    body jsonb not null default '{}',
    recorded_at timestamptz not null default clock_timestamp(),
    primary key (instance_id, seq))`;
}

/** Inserts one row: one statement, so one commit. */
export function insertRow(table: string): string {
  return `insert into ${table}
    (instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt,
     request_id, agent_id, body)
    values ($1, $2, 1, 'replica', $3, $4, 1, $5, 'bench', $6)`;
}

/** The parameters of {@link insertRow}. */
export function rowValues(instanceId: string, seq: number, kind: string): unknown[] {
  const step = Math.ceil(seq / 2);
  const body = kind === 'started' ? '{}' : '{"output": {"ok": true}}';
  return [instanceId, seq, kind, `c${step}`, `${instanceId}-${step}`, body];
}
