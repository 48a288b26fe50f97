import type { Client } from 'pg';

import { UNDO_PREFIX } from '../../src/runbook/fields.ts';

/** A stored runbook version with cells that can no longer run, because of their ids. */
export interface ReservedIds {
  runbookId: string;
  version: number;
  cellIds: string[];
  /** How many of its instances have not ended. */
  unfinished: number;
}

/**
 * The runbook versions that an earlier release stored although their cells have ids that now name
 * what undoes a cell. Nothing can change them; the guard would refuse their rows.
 */
export async function reservedIds(client: Client): Promise<ReservedIds[]> {
  const { rows: tables } = await client.query<{ there: boolean }>(
    `select to_regclass('leasehold_projection.instances') is not null as there`,
  );
  if (!tables[0]!.there) return [];
  const { rows } = await client.query<ReservedIds>(
    `with reserved as (
       select r.runbook_id, r.version, array_agg(c ->> 'id' order by nth) as ids
         from leasehold.runbooks r
         cross join lateral jsonb_array_elements(r.cells) with ordinality as x (c, nth)
         where starts_with(c ->> 'id', $1)
         group by r.runbook_id, r.version)
     select runbook_id as "runbookId", version, ids as "cellIds",
       (select count(*)::int from leasehold.instances i
          join leasehold_projection.instances p using (instance_id)
          where i.runbook_id = reserved.runbook_id and i.version = reserved.version
            and p.status not in ('completed', 'cancelled')) as unfinished
       from reserved order by runbook_id, version`,
    [UNDO_PREFIX],
  );
  return rows;
}
