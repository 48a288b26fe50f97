import type { Json } from '../../../src/json.ts';
import type { Queryable } from '../connections.ts';
import type { Claim } from '../log.ts';

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
 * Records the claim as the revision after the newest; undefined when another writer took that
 * revision first.
 */
export async function insertNextClaim(
  db: Queryable,
  claim: { claimId: string; status: string; agentId: string; evidence: Json },
): Promise<Claim | undefined> {
  const [line] = await db.query<ClaimLine>(
    `insert into leasehold.claims (claim_id, revision, status, agent_id, evidence)
       select $1, coalesce(max(revision), 0) + 1, $2, $3, $4::jsonb from leasehold.claims where claim_id = $1
       on conflict do nothing
       returning ${COLUMNS}`,
    [claim.claimId, claim.status, claim.agentId, JSON.stringify(claim.evidence)],
  );
  return line && fromLine(line);
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
