import { createHash } from 'node:crypto';

import { canonicalJson } from '../../../src/json.ts';
import type { JsonObject } from '../../../src/json.ts';
import type { OnHalt } from '../../../src/runbook/head.ts';
import type { Runbook } from '../../../src/runbook/runbook.ts';
import type { Queryable } from '../connections.ts';
import type { ListedRunbook } from '../log.ts';
import type { RunbookVersion } from '../runbook-cache.ts';

/** Identifies the content of a runbook version: SHA-256 of all that it says, in hex. */
export function runbookDigest(runbook: Runbook): string {
  const { runbook: _, version: __, ...content } = runbook;
  // It is JSON by its schema; the cast says so to the compiler, which sees optional members.
  const given = Object.entries(content as JsonObject).filter(([, value]) => value !== undefined);
  return createHash('sha256')
    .update(canonicalJson(Object.fromEntries(given)))
    .digest('hex');
}

const COLUMNS =
  'runbook_id as runbook, version, title, description, on_halt as "onHalt", inputs, cells';

/** A line of the table; what the runbook does not say is null. */
type RunbookLine = Pick<Runbook, 'runbook' | 'version' | 'inputs' | 'cells'> & {
  title: string | null;
  description: string | null;
  onHalt: OnHalt | null;
};

/** Without spreads: three of them took more than a microsecond of each start. */
function runbookOf(line: RunbookLine): Runbook {
  const { title, description, onHalt } = line;
  const runbook: Runbook = {
    runbook: line.runbook,
    version: line.version,
    inputs: line.inputs,
    cells: line.cells,
  };
  if (title !== null) runbook.title = title;
  if (description !== null) runbook.description = description;
  if (onHalt !== null) runbook.onHalt = onHalt;
  return runbook;
}

/** The given version of a runbook, or its newest one. */
export async function readRunbook(
  db: Queryable,
  runbookId: string,
  version: number | undefined,
): Promise<Runbook | undefined> {
  const [line] = await db.query<RunbookLine>(
    `select ${COLUMNS} from leasehold.runbooks
       where runbook_id = $1 and ($2::int is null or version = $2) order by version desc limit 1`,
    [runbookId, version ?? null],
  );
  return line === undefined ? undefined : runbookOf(line);
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
  const lines = await db.query<RunbookLine & { digest: string }>(
    `select ${COLUMNS}, digest
       from leasehold.runbooks join unnest($1::text[], $2::int[]) wanted (runbook_id, version)
         using (runbook_id, version)`,
    [wanted.map(({ runbookId }) => runbookId), wanted.map(({ version }) => version)],
  );
  return lines.map((line) => ({ runbook: runbookOf(line), digest: line.digest }));
}

/** Stores the version unless there is one; true when this call stored it. */
export async function insertRunbook(
  db: Queryable,
  runbook: Runbook,
  digest: string,
): Promise<boolean> {
  const stored = await db.query(
    `insert into leasehold.runbooks
         (runbook_id, version, title, description, on_halt, cells, inputs, digest)
       values ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8)
       on conflict do nothing returning version`,
    [
      runbook.runbook,
      runbook.version,
      runbook.title ?? null,
      runbook.description ?? null,
      runbook.onHalt ?? null,
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
export async function listRunbooks(db: Queryable): Promise<ListedRunbook[]> {
  const lines = await db.query<Omit<ListedRunbook, 'title'> & { title: string | null }>(
    `select runbook_id as "runbookId", version, title, digest,
         leasehold.iso8601(recorded_at) as "recordedAt"
       from leasehold.runbooks order by runbook_id, version desc`,
  );
  return lines.map(({ title, ...line }) => (title === null ? line : { ...line, title }));
}
