import type { Client } from 'pg';

/**
 * What `leasehold bench` compares the product with: what a user would write with Postgres alone.
 */
export const BASELINES = ['floor', 'advisory_lock', 'reservation'] as const;
/** See {@link BASELINES}. */
export type BaselineName = (typeof BASELINES)[number];

/** One way to advance an instance by one cell. */
export interface Baseline {
  /** Its tables, in a database of its own. */
  schema: string;
  /**
   * One agent on one connection of its own.
   *
   * @returns does one step of the instance; rejects when Postgres refuses, or the step was
   *   another's
   */
  agent(client: Client, instanceId: string): () => Promise<void>;
}

/** The columns of `leasehold.executions`, without what guards them. */
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

/** One row, as one statement and so one commit. */
export function insertRow(table: string): string {
  return `insert into ${table}
    (instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt, request_id, agent_id, body)
    values ($1, $2, 1, 'replica', $3, $4, 1, $5, 'bench', $6)`;
}

/** The values of {@link insertRow}. */
export function rowValues(instanceId: string, seq: number, kind: string): unknown[] {
  const step = Math.ceil(seq / 2);
  const body = kind === 'started' ? '{}' : '{"output": {"ok": true}}';
  return [instanceId, seq, kind, `c${step}`, `${instanceId}-${step}`, body];
}
