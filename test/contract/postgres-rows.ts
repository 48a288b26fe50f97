import type { Pool } from 'pg';

/** A row of `executions` without its instance: attempt 1 of cell a, started under token 10. */
export function row(seq: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    seq,
    fencing_token: 10,
    replica_id: 'x-00000000',
    kind: 'started',
    cell_id: 'a',
    attempt: 1,
    request_id: 'q1',
    agent_id: 'a',
    body: '{}',
    ...more,
  };
}

/** Inserts one row by plain SQL. */
export async function insert(
  as: Pool,
  table: string,
  values: Record<string, unknown>,
): Promise<void> {
  const names = Object.keys(values);
  await as.query(
    `insert into leasehold.${table} (${names.join(', ')}) values (${names.map((_, i) => `$${i + 1}`).join(', ')})`,
    Object.values(values),
  );
}

/** The SQLSTATE that the work fails with; `no error` when it succeeds. */
export async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
  } catch (cause) {
    return (cause as { code?: string }).code;
  }
  return 'no error';
}
