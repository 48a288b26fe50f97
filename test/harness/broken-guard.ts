import { Client } from 'pg';

/*
 * A log whose guard lacks a rule, to show what the rule prevents. Only a superuser can remove it,
 * and only after the migration.
 */

/** One condition that is replaced in a function of the log. */
interface Replacement {
  functionName: string;
  /** The condition, exactly as Postgres shows it in the function. */
  condition: string;
  becomes: string;
}

/**
 * Rules that the database enforces, alone or together with the replica; the replica's part is in
 * controls.ts.
 */
export type GuardRule = 'tokens' | 'chain' | 'receipts' | 'origins';

const RULES: Record<
  GuardRule,
  { replacements: readonly Replacement[]; statements: readonly string[] }
> = {
  tokens: {
    replacements: [
      {
        functionName: 'chain_breach',
        condition: '(fencing_token < before_token)',
        becomes: 'false',
      },
      {
        functionName: 'guard_requests',
        condition: 'or n.fencing_token > f.fencing_token',
        becomes: '',
      },
    ],
    statements: [],
  },
  // A row need not follow any other, and a seq may occur twice.
  chain: {
    replacements: [],
    statements: [
      'drop trigger guard on leasehold.executions',
      'alter table leasehold.executions drop constraint executions_pkey',
    ],
  },
  receipts: {
    replacements: [
      {
        functionName: 'guard_executions',
        condition: 'where r.request_id = f.request_id and (',
        becomes: 'where false and (',
      },
    ],
    statements: ['alter table leasehold.requests drop constraint requests_pkey'],
  },
  // Children need not rest on the newest row of their parent, and an element may have several.
  origins: {
    replacements: [],
    statements: [
      'drop trigger guard_origin on leasehold.instances',
      'drop index leasehold.instances_by_origin',
    ],
  },
};

/**
 * Removes a rule from a migrated database.
 *
 * @throws Error when the rule is not written as expected here
 */
export async function breakGuard(superuserUrl: string, rule: GuardRule): Promise<void> {
  const { replacements, statements } = RULES[rule];
  const client = new Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    for (const { functionName, condition, becomes } of replacements) {
      const found = await client.query<{ text: string }>(
        'select pg_get_functiondef($1::regproc) as text',
        [`leasehold.${functionName}`],
      );
      const text = found.rows[0]?.text ?? '';
      if (!text.includes(condition))
        throw new Error(`leasehold.${functionName} has no ${JSON.stringify(condition)} to replace`);
      await client.query(text.replace(condition, becomes));
    }
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
