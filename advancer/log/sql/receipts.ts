import { exactInteger } from '../../../src/ids.ts';
import type { Receipt } from '../../../src/request/receipt.ts';
import type { Queryable } from '../connections.ts';
import type {
  ListedRequest,
  RequestFilter,
  RequestIds,
  RequestState,
  UnheldReceipt,
} from '../requests.ts';

/** The receipt of a request; undefined when it has none. */
export async function receiptOf(db: Queryable, requestId: string): Promise<Receipt | undefined> {
  const [line] = await db.query<{ receipt: Receipt }>(
    'select receipt from leasehold.requests where request_id = $1',
    [requestId],
  );
  return line?.receipt;
}

/** For each request its receipt, and whether its instance exists, in the given order. */
export async function readRequestStates(
  db: Queryable,
  requests: readonly RequestIds[],
): Promise<RequestState[]> {
  const lines = await db.query<{ receipt: Receipt | null; hasInstance: boolean }>(
    `select r.receipt, i.instance_id is not null as "hasInstance"
       from unnest($1::text[], $2::text[]) with ordinality as w (wanted_request, wanted_instance, nth)
       left join leasehold.requests r on r.request_id = w.wanted_request
       left join leasehold.instances i on i.instance_id = w.wanted_instance
       order by w.nth`,
    [requests.map(({ requestId }) => requestId), requests.map(({ instanceId }) => instanceId)],
  );
  return lines.map(({ receipt, hasInstance }) => ({ receipt: receipt ?? undefined, hasInstance }));
}

/**
 * Records a receipt under no lease. False if the request has one already.
 *
 * @throws DatabaseError with the guard's code where a lease is needed
 */
export async function insertUnheldReceipt(
  db: Queryable,
  { requestId, instanceId, agentId, receipt }: UnheldReceipt,
): Promise<boolean> {
  const stored = await db.query(
    `insert into leasehold.requests (request_id, instance_id, fencing_token, last_seq, receipt, agent_id)
       values ($1, $2, 0, 0, $3::jsonb, $4)
       on conflict do nothing
       returning 1 as stored`,
    [requestId, instanceId, JSON.stringify(receipt), agentId],
  );
  return stored.length > 0;
}

interface RequestLine extends Omit<ListedRequest, 'fencingToken' | 'lastSeq'> {
  fencingToken: string;
  lastSeq: string;
}

/** Recorded requests, newest first; those of one instance or agent are found by reading all. */
export async function listRequests(
  db: Queryable,
  { requestId, instanceId, agentId, outcome, limit }: RequestFilter,
): Promise<ListedRequest[]> {
  const lines = await db.query<RequestLine>(
    `select request_id as "requestId", instance_id as "instanceId", receipt ->> 'outcome' as outcome,
         agent_id as "agentId", fencing_token as "fencingToken", last_seq as "lastSeq",
         leasehold.iso8601(recorded_at) as "recordedAt"
       from leasehold.requests
       where ($1::text is null or request_id = $1) and ($2::text is null or instance_id = $2)
         and ($3::text is null or agent_id = $3)
         and ($4::text is null or receipt ->> 'outcome' = $4)
       order by leasehold.requests.recorded_at desc, request_id
       limit $5`,
    [requestId ?? null, instanceId ?? null, agentId ?? null, outcome ?? null, limit],
  );
  return lines.map((line) => ({
    ...line,
    fencingToken: exactInteger(line.fencingToken),
    lastSeq: exactInteger(line.lastSeq),
  }));
}
