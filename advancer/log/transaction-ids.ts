import type { Client } from 'pg';

/**
 * Makes the transaction ids of the rows those of this Postgres cluster (functions/
 * adopt_transaction_ids.sql), if the database has them at all.
 *
 * @returns whether the database came from another cluster
 */
export async function adoptTransactionIds(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(
    `select to_regprocedure('leasehold.adopt_transaction_ids()') is not null and exists (
       select from pg_attribute where attrelid = 'leasehold.meta'::regclass
         and attname = 'system_identifier' and not attisdropped) as there`,
  );
  if (!rows[0]!.there) return false;
  const adopted = await client.query<{ adopted: boolean }>(
    'select leasehold.adopt_transaction_ids() as adopted',
  );
  return adopted.rows[0]!.adopted;
}
