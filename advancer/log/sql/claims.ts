import type { Due } from '../../../src/execution/await.ts';
import type { Json } from '../../../src/json.ts';
import { isRefusal } from '../connections.ts';
import type { Queryable } from '../connections.ts';
import { ClaimExhausted } from '../log.ts';
import type { Claim, NewClaim, WaitReading } from '../log.ts';

interface ClaimLine {
  claim_id: string;
  revision: number;
  status: string;
  agent_id: string;
  evidence: Json;
  recorded_at: string;
}

const COLUMNS =
  'claim_id, revision, status, agent_id, evidence, leasehold.iso8601(recorded_at) as recorded_at';

/** The claim's newest status. */
export async function newestClaim(db: Queryable, claimId: string): Promise<Claim | undefined> {
  const [line] = await db.query<ClaimLine>(
    `select ${COLUMNS} from leasehold.claims where claim_id = $1 order by revision desc limit 1`,
    [claimId],
  );
  return line && fromLine(line);
}

/**
 * The claim's newest status, and whether a moment has come, in one statement.
 *
 * `now()` is when the statement's transaction began, which is before what it sees was fixed. So a
 * claim that was committed before the moment is seen by every reading that finds the moment past.
 */
export async function readWait(
  db: Queryable,
  claimId: string | undefined,
  due: Due,
): Promise<WaitReading> {
  const [sinceIso, afterMs] = 'atIso' in due ? [due.atIso, 0] : [due.sinceIso, due.afterMs];
  const [line] = await db.query<{ is_due: boolean } & (ClaimLine | { claim_id: null })>(
    `select now() >= $2::timestamptz + $3::bigint * interval '1 millisecond' as is_due, newest.*
       from (select) moment
       left join lateral (
         select ${COLUMNS} from leasehold.claims where claim_id = $1 order by revision desc limit 1
       ) newest on true`,
    [claimId ?? null, sinceIso, afterMs],
  );
  if (line === undefined) throw new Error('Postgres returned no row for a wait');
  return { claim: line.claim_id === null ? undefined : fromLine(line), isDue: line.is_due };
}

/**
 * Records the claim as the revision after the newest; undefined when another writer took that
 * revision first.
 *
 * @throws ClaimExhausted when the newest revision is the last that the column holds
 */
export async function insertNextClaim(db: Queryable, claim: NewClaim): Promise<Claim | undefined> {
  const stored = db.query<ClaimLine>(
    `insert into leasehold.claims (claim_id, revision, status, agent_id, evidence)
       select $1, coalesce(max(revision), 0) + 1, $2, $3, $4::jsonb from leasehold.claims where claim_id = $1
       on conflict do nothing
       returning ${COLUMNS}`,
    [claim.claimId, claim.status, claim.agentId, JSON.stringify(claim.evidence)],
  );
  const [line] = await stored.catch((cause: unknown) => {
    // The one number that is computed here.
    throw isRefusal(cause) && cause.code === '22003' ? exhausted(claim.claimId, cause) : cause;
  });
  return line && fromLine(line);
}

function exhausted(claimId: string, cause: unknown): ClaimExhausted {
  const message =
    `claim ${claimId} has the highest revision that there is, so it can get no further status: ` +
    'the owner of the database has to remove that row of leasehold.claims (docs/operations.md, ' +
    '"A row that no replica can have written")';
  return new ClaimExhausted(message, { cause });
}

function fromLine(line: ClaimLine): Claim {
  return {
    claimId: line.claim_id,
    revision: line.revision,
    status: line.status,
    agentId: line.agent_id,
    evidence: line.evidence,
    recordedAt: line.recorded_at,
  };
}

/** The newest revision of a claim, as `claims` lists it. */
export type ListedClaim = Omit<Claim, 'evidence'> & {
  /** How many unattended instances wait for it. */
  waiting: number;
};

/** The newest revision of each claim after `after`, in the order of their ids. */
export async function listClaims(
  db: Queryable,
  after: string,
  limit: number,
): Promise<ListedClaim[]> {
  return db.query<ListedClaim>(
    `select c.claim_id as "claimId", c.revision, c.status, c.agent_id as "agentId",
         leasehold.iso8601(c.recorded_at) as "recordedAt",
         (select count(*)::int from leasehold_projection.unattended u
            where u.claim_id = c.claim_id) as waiting
       from (select distinct on (claim_id) * from leasehold.claims
               where claim_id > $1 order by claim_id, revision desc limit $2) c
       order by c.claim_id`,
    [after, limit],
  );
}

/** The newest revisions of a claim, newest first. */
export async function claimRevisions(
  db: Queryable,
  claimId: string,
  limit: number,
): Promise<Claim[]> {
  const lines = await db.query<ClaimLine>(
    `select ${COLUMNS} from leasehold.claims where claim_id = $1 order by revision desc limit $2`,
    [claimId, limit],
  );
  return lines.map(fromLine);
}

/** Attended instances that are parked, as far as the projection knows. */
export async function parkedAttended(db: Queryable, limit: number): Promise<string[]> {
  const lines = await db.query<{ id: string }>(
    `select p.instance_id as id from leasehold_projection.instances p
       join leasehold.instances i using (instance_id)
       where p.status = 'parked' and not i.unattended
       order by p.instance_id limit $1`,
    [limit],
  );
  return lines.map((line) => line.id);
}
