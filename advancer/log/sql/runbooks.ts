import { createHash } from 'node:crypto';

import { canonicalJson } from '../../../src/json.ts';
import type { Json } from '../../../src/json.ts';
import type { Runbook } from '../../../src/runbook/runbook.ts';
import type { Queryable } from '../connections.ts';
import type { RunbookVersion } from '../runbook-cache.ts';

/** Identifies the content of a runbook version: SHA-256 of its cells and input names, in hex. */
export function runbookDigest(runbook: Runbook): string {
  // Cells are JSON by their schema; the cast says so to the compiler, which sees optional members.
  const content = { cells: runbook.cells as unknown as Json, inputs: runbook.inputs as Json };
  return createHash('sha256').update(canonicalJson(content)).digest('hex');
}

/** The given version of a runbook, or its newest one. */
export async function readRunbook(
  db: Queryable,
  runbookId: string,
  version: number | undefined,
): Promise<Runbook | undefined> {
  const [line] = await db.query<Runbook>(
    `select runbook_id as runbook, version, inputs, cells from leasehold.runbooks
       where runbook_id = $1 and ($2::int is null or version = $2) order by version desc limit 1`,
    [runbookId, version ?? null],
  );
  return line;
}

/** A runbook version with the digest that was recorded when it was pushed. */
export interface StoredRunbook {
  runbook: Runbook;
  digest: string;
}

/** Those of the wanted versions that exist, in any order. */
export async function readRunbooks(
  db: Queryable,
  wanted: readonly RunbookVersion[],
): Promise<StoredRunbook[]> {
  const lines = await db.query<Runbook & { digest: string }>(
    `select runbook_id as runbook, version, inputs, cells, digest
       from leasehold.runbooks join unnest($1::text[], $2::int[]) wanted (runbook_id, version)
         using (runbook_id, version)`,
    [wanted.map(({ runbookId }) => runbookId), wanted.map(({ version }) => version)],
  );
  return lines.map(({ digest, ...runbook }) => ({ runbook, digest }));
}

/** Stores the version unless there is one; true when this call stored it. */
export async function insertRunbook(
  db: Queryable,
  runbook: Runbook,
  digest: string,
): Promise<boolean> {
  const stored = await db.query(
    `insert into leasehold.runbooks (runbook_id, version, cells, inputs, digest)
       values ($1, $2, $3::jsonb, $4::jsonb, $5) on conflict do nothing returning version`,
    [
      runbook.runbook,
      runbook.version,
      JSON.stringify(runbook.cells),
      JSON.stringify(runbook.inputs),
      digest,
    ],
  );
  return stored.length > 0;
}

/** The digest of a stored version. */
export async function readDigest(
  db: Queryable,
  runbookId: string,
  version: number,
): Promise<string | undefined> {
  const [line] = await db.query<{ digest: string }>(
    'select digest from leasehold.runbooks where runbook_id = $1 and version = $2',
    [runbookId, version],
  );
  return line?.digest;
}

/** Every runbook version, newest first within an id. */
export function listRunbooks(
  db: Queryable,
): Promise<{ runbookId: string; version: number; digest: string; recordedAt: string }[]> {
  return db.query(
    `select runbook_id as "runbookId", version, digest, leasehold.iso8601(recorded_at) as "recordedAt"
       from leasehold.runbooks order by runbook_id, version desc`,
  );
}
