import { chainBreach } from '../../src/execution/chain.ts';
import { sameAppend, stampedRow } from '../../src/execution/row.ts';
import type { Row } from '../../src/execution/row.ts';
import { sameJson } from '../../src/json.ts';
import type { Json } from '../../src/json.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { AppendEntry, AppendOutcome } from './log.ts';

/** What the log has in the place of a refused entry, read at one moment. */
export interface ReadBack {
  /** Rows at the entry's seqs, and the one before them. */
  rows: Row[];
  newest: Row | undefined;
  /** Receipts of the entry's requests. */
  receipts: { requestId: string; receipt: Receipt }[];
}

/**
 * Why an entry was refused, judged by what is in its place.
 *
 * In this order: the entry itself (an earlier send of it committed), the request's receipt (which
 * ends the request), a higher token (which ends the term), another writer's row (try again).
 *
 * @throws Error when none of these explains the refusal: the entry breaks the chain rule, which is
 *   a bug of its author
 */
export function judgeRefused(entry: AppendEntry, found: ReadBack, cause: unknown): AppendOutcome {
  const recorded = new Map(found.rows.map((row) => [row.seq, row]));
  const mine = entry.rows.map((row) => recorded.get(row.seq)).filter((row) => row !== undefined);
  const rowsRecorded =
    mine.length === entry.rows.length &&
    entry.rows.every((row, index) => sameAppend(row, mine[index]!));
  const receipt = found.receipts.find((one) => one.requestId === entry.receipt?.requestId)?.receipt;
  const receiptRecorded =
    entry.receipt === undefined ||
    (receipt !== undefined && sameJson(asJson(receipt), asJson(entry.receipt.receipt)));
  if (rowsRecorded && receiptRecorded) return { kind: 'already_recorded', rows: mine };

  const [anyReceipt] = found.receipts;
  if (anyReceipt !== undefined)
    return { kind: 'receipted', receipt: receipt ?? anyReceipt.receipt };

  const { newest } = found;
  if (newest !== undefined && newest.fencingToken > entry.fencingToken) {
    return {
      kind: 'fenced',
      by: newest.fencingToken,
      detail: `token ${entry.fencingToken} is below ${newest.fencingToken}, under which ${newest.replicaId} wrote seq ${newest.seq}`,
    };
  }
  const basis = entry.rows[0] === undefined ? (entry.receipt?.lastSeq ?? 0) : entry.rows[0].seq - 1;
  if (newest !== undefined && newest.seq > basis) {
    return {
      kind: 'conflict',
      detail: `the entry rests on seq ${basis}, but ${newest.replicaId} wrote seq ${newest.seq} (token ${newest.fencingToken})`,
    };
  }
  throw new Error(
    `the log refused an append to instance ${entry.instanceId}, and no other write explains it: ` +
      `${explain(entry, found)}; a decision is wrong, or the log was restored to an earlier state`,
    { cause },
  );
}

function explain(entry: AppendEntry, { newest }: ReadBack): string {
  let before = newest;
  for (const row of entry.rows) {
    const breach = chainBreach(before?.seq === row.seq - 1 ? before : undefined, row);
    if (breach !== undefined) return `${breach.code} at seq ${row.seq}, ${breach.detail}`;
    before = stampedRow(row, '');
  }
  return `the log ends at seq ${newest?.seq ?? 0}, the receipt rests on seq ${entry.receipt?.lastSeq ?? 'none'}`;
}

/** Via text, which drops undefined members, as the database does. */
function asJson(receipt: Receipt): Json {
  return JSON.parse(JSON.stringify(receipt)) as Json;
}
