import { Client } from 'pg';

/*
 * A log whose guard has a hole: what a rule of the database is for shows when it is gone. Only a
 * superuser can do this, and only after migrating.
 */

/** One statement that a function of the log is made without. */
interface Hole {
  of: string;
  /** A condition, exactly as Postgres shows the function. */
  where: string;
  becomes: string;
}

/**
 * Rules whose enforcement is the database's, wholly or by half; the replica's halves are in
 * controls.ts.
 */
export type GuardRule = 'tokens' | 'chain' | 'receipts';

const RULES: Record<GuardRule, { holes: readonly Hole[]; statements: readonly string[] }> = {
  tokens: {
    holes: [
      { of: 'chain_breach', where: '(fencing_token < before_token)', becomes: 'false' },
      { of: 'guard_requests', where: 'or n.fencing_token > f.fencing_token', becomes: '' },
    ],
    statements: [],
  },
  // Nothing is left that a row has to follow, and a seq may be taken twice.
  chain: {
    holes: [],
    statements: [
      'drop trigger guard on leasehold.executions',
      'alter table leasehold.executions drop constraint executions_pkey',
    ],
  },
  receipts: {
    holes: [
      {
        of: 'guard_executions',
        where: 'where r.request_id = f.request_id and (',
        becomes: 'where false and (',
      },
    ],
    statements: ['alter table leasehold.requests drop constraint requests_pkey'],
  },
};

/**
 * Takes a rule out of a migrated database. @throws Error when the rule is not written as it is
 * looked for here
 */
export async function spoilGuard(superuserUrl: string, rule: GuardRule): Promise<void> {
  const { holes, statements } = RULES[rule];
  const client = new Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    for (const { of, where, becomes } of holes) {
      const found = await client.query<{ text: string }>(
        'select pg_get_functiondef($1::regproc) as text',
        [`leasehold.${of}`],
      );
      const text = found.rows[0]?.text ?? '';
      if (!text.includes(where))
        throw new Error(`leasehold.${of} has no ${JSON.stringify(where)} to take out`);
      await client.query(text.replace(where, becomes));
    }
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
