import { guardedRequests, preparedEntry } from '../../advancer/log/entry.ts';
import type { AppendEntry, AppendOutcome } from '../../advancer/log/log.ts';
import { judgeRefused } from '../../advancer/log/outcome.ts';
import { chainBreach, type ChainRow } from '../../src/execution/chain.ts';
import { opens, type Row } from '../../src/execution/row.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import { putLine } from './due.ts';
import type { Rules } from './rules.ts';
import type { Entry, Recorded, World } from './world.ts';

/** What the log itself answers; that Postgres refuses what an entry holds is a fault here. */
export type Fate = Exclude<AppendOutcome['kind'], 'unknown' | 'rejected'>;

/**
 * The log accepts an entry, all or nothing, or refuses it: by the real chain rule, and by the rule
 * for receipts as the guard in the database has it. The real `judgeRefused` says why it was
 * refused.
 *
 * Refusing and reading back are one step here. Nothing is lost by that: what refuses an entry never
 * changes.
 */
export function append(rules: Rules, world: World, entry: Entry): Fate {
  if (!refused(rules, world, entry)) {
    const added = entry.view.rows.slice(entry.base);
    let { log } = world;
    for (const row of added) log = log.with(row);
    world.log = log;
    const { receipt, token, replicaId, view, parks } = entry;
    const isLineAlone = added.length === 0 && receipt === undefined;
    if (world.unattended && (rules.lineWithCommit || isLineAlone))
      putLine(rules, world, view, parks);
    if (receipt !== undefined) {
      if (world.receipts.some(({ request }) => request === receipt.request)) {
        world.breaches.push({
          guarantee: '5 one receipt',
          what: `${receipt.request} got another receipt`,
        });
      }
      const recorded: Recorded = { ...receipt, view, token, replicaId };
      world.receipts = [...world.receipts, recorded].sort((a, b) =>
        a.request < b.request ? -1 : 1,
      );
    }
    return 'appended';
  }
  try {
    const asked = preparedEntry(appendEntry(entry));
    const guarded =
      rules.receiptEnds === 'all'
        ? guardedRequests(asked)
        : [...asked.rows.filter(opens).map(({ requestId }) => requestId), asked.receipt?.requestId];
    const outcome = judgeRefused(
      asked,
      {
        rows: world.log.rows.filter(({ seq }) => seq >= entry.base && seq <= entry.view.length),
        newest: world.log.rows.at(-1),
        receipts: world.receipts
          .filter(({ request }) => guarded.includes(request))
          .map((recorded) => ({ requestId: recorded.request, receipt: receiptOf(recorded) })),
      },
      undefined,
    );
    if (outcome.kind === 'unknown' || outcome.kind === 'rejected')
      throw new Error(`judgeRefused answered ${outcome.kind}`);
    return outcome.kind;
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    world.breaches.push({ guarantee: '4 every refusal is explained', what });
    return 'conflict';
  }
}

/** Whether the guard refuses the entry. */
function refused(rules: Rules, world: World, entry: Entry): boolean {
  const { log, receipts } = world;
  const receipted = (request: string | null): boolean =>
    receipts.some((one) => one.request === request);
  let before: Row | undefined = log.rows.at(-1);
  for (const row of entry.view.rows.slice(entry.base)) {
    if (row.seq !== (before?.seq ?? 0) + 1) return true;
    if (breaksChain(rules, before, row)) return true;
    const ends = rules.receiptEnds === 'all' || (rules.receiptEnds === 'openings' && opens(row));
    if (ends && receipted(row.requestId)) return true;
    before = row;
  }
  const { receipt } = entry;
  if (receipt === undefined) return false;
  if (rules.receiptOnce && receipted(receipt.request)) return true;
  if (!rules.receiptFenced) return false;
  return entry.view.length !== (before?.seq ?? 0) || entry.token < (before?.fencingToken ?? 0);
}

function breaksChain(rules: Rules, before: Row | undefined, row: Row): boolean {
  const breach = chainBreach(before, row);
  switch (breach?.rule) {
    case undefined:
      return false;
    case 'gap':
      return true;
    case 'cancelled':
      return rules.cancelledFinal;
    case 'stale_token':
      return rules.tokenCheck || breaksOrder(rules, before, asIfNotStale(row, before));
    case 'order':
      return breaksOrder(rules, before, row);
  }
}

/**
 * For the rules on order alone: what only the attempt's own process can know still belongs to its
 * attempt's own term.
 */
function asIfNotStale(row: ChainRow, before: Row | undefined): ChainRow {
  const own =
    row.kind === 'completed' ||
    row.kind === 'failed' ||
    (row.kind === 'interrupted' && row.body['reason'] !== 'crash');
  return { ...row, fencingToken: (before?.fencingToken ?? 0) + (own ? 1 : 0) };
}

function breaksOrder(rules: Rules, before: Row | undefined, row: ChainRow): boolean {
  if (rules.order === 'none') return false;
  const candidates: ChainRow[] = [row];
  if (rules.order === 'kinds' && before !== undefined) {
    const { cellId, attempt } = before;
    candidates.push({ ...row, cellId, attempt });
    candidates.push({ ...row, cellId, attempt: attempt + 1 });
    candidates.push({ ...row, cellId: `not-${cellId}`, attempt: 1 });
  }
  return candidates.every((candidate) => chainBreach(before, candidate)?.rule === 'order');
}

function appendEntry({ view, base, token, replicaId, receipt }: Entry): AppendEntry {
  return {
    instanceId: 'i',
    fencingToken: token,
    replicaId,
    rows: view.rows.slice(base),
    receipt: receipt && {
      requestId: receipt.request,
      agentId: null,
      receipt: receiptOf({ ...receipt, view, token, replicaId }),
      lastSeq: view.length,
    },
    projection: { status: 'ready', nextCellId: null },
  };
}

/** The receipt as the product would have it. */
function receiptOf({ request, outcome, view, token, replicaId }: Recorded): Receipt {
  return {
    requestId: request,
    instanceId: 'i',
    outcome,
    steps: view.state.stepsByRequest.get(request) ?? [],
    nextCellId: null,
    holder: { replicaId, fencingToken: token },
  };
}
