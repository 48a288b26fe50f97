import type { AppendEntry } from '../../advancer/log/log.ts';
import { chainBreach, type ChainBreach } from '../../src/execution/chain.ts';
import type { Row } from '../../src/execution/row.ts';
import type { Receipt } from '../../src/request/receipt.ts';

/** Which of the log's rules are in force; a negative control switches one off. */
export interface LogRules {
  /** The order of kinds, cells and attempts. */
  chain: boolean;
  /** Tokens never go back. */
  tokens: boolean;
  /** One receipt for a request, and no rows after it. */
  oneReceipt: boolean;
}

/** A receipt as it is stored. */
export interface StoredReceipt {
  requestId: string;
  instanceId: string;
  receipt: Receipt;
  lastSeq: number;
  fencingToken: number;
}

/** What the guard reads. */
interface Guarded {
  readonly rules: LogRules;
  readonly receipts: ReadonlyMap<string, StoredReceipt>;
}

/** Why the guard refuses an entry; undefined if it does not. */
export function refusalOf(
  { rules, receipts }: Guarded,
  entry: AppendEntry,
  log: readonly Row[],
): string | undefined {
  let before: Row | undefined = log.at(-1);
  for (const row of entry.rows) {
    if (row.seq !== (before?.seq ?? 0) + 1) return 'gap or taken';
    const breach = chainBreach(before, row);
    if (breach !== undefined && isInForce(rules, breach.rule)) return breach.detail;
    if (row.requestId !== null && rules.oneReceipt && receipts.has(row.requestId)) {
      return 'the request has its receipt';
    }
    before = { ...row, recordedAt: '' };
  }
  const { receipt } = entry;
  if (receipt === undefined) return undefined;
  if (rules.oneReceipt && receipts.has(receipt.requestId)) return 'the request has its receipt';
  if (receipt.lastSeq !== (before?.seq ?? 0)) return 'the log has moved on';
  if (before !== undefined && before.fencingToken > entry.fencingToken && rules.tokens)
    return 'stale token';
  return undefined;
}

function isInForce(rules: LogRules, rule: ChainBreach['rule']): boolean {
  switch (rule) {
    case 'gap':
      return true;
    case 'stale_token':
      return rules.tokens;
    case 'order':
    case 'cancelled':
      return rules.chain;
  }
}
