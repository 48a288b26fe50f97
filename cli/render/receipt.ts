import type { InDoubt, InFlight, Receipt } from '../../src/request/receipt.ts';
import { clean, table } from './table.ts';
import type { Style } from './table.ts';
import { ago } from './time.ts';

/** A receipt for a person: the steps, the outcome in a sentence, and what to do next. */
export function receiptText(receipt: Receipt, style: Style, nowMs: number): string {
  const lines: string[] = [];
  if (receipt.steps.length > 0) {
    const rows = receipt.steps.map(({ seq, cellId, kind, attempt }) => [
      seq,
      cellId,
      kind,
      attempt,
    ]);
    lines.push(table(['SEQ', 'CELL', 'WHAT', 'ATTEMPT'], rows, style), '');
  }
  lines.push(...outcomeLines(receipt, nowMs).map(clean));
  if (receipt.holder !== null) {
    lines.push(
      `holder ${clean(receipt.holder.replicaId)}, fencing token ${receipt.holder.fencingToken}`,
    );
  }
  if (receipt.requestId !== null) lines.push(`request ${clean(receipt.requestId)}`);
  return lines.join('\n');
}

function outcomeLines(receipt: Receipt, nowMs: number): string[] {
  const { instanceId, outcome, nextCellId, awaiting, inFlight, inDoubt, error } = receipt;
  const why = error === undefined ? '' : `: ${error.message}`;
  switch (outcome) {
    case 'completed':
      return [`${instanceId} is completed.`];
    case 'advanced':
      return [
        `${instanceId} has advanced; next is ${nextCellId ?? 'nothing'}.`,
        `next: leasehold advance ${instanceId}`,
      ];
    case 'parked':
      if (awaiting === undefined) return [`${instanceId} is parked${why}.`];
      return [
        `${instanceId} is parked at ${awaiting.cellId}: it waits for claim ${awaiting.claimId} to be ${either(awaiting.statuses)} (now: ${awaiting.currentStatus ?? 'never made'}).`,
        `next: leasehold claim ${awaiting.claimId} ${awaiting.statuses[0] ?? 'STATUS'} && leasehold advance ${instanceId}`,
      ];
    case 'halted':
      return [
        `${instanceId} is halted${nextCellId === null ? '' : ` at ${nextCellId}`}${why}.`,
        `look: leasehold status ${instanceId} --log`,
      ];
    case 'in_doubt':
      return inDoubt === undefined
        ? [`${instanceId} is in doubt${why}.`]
        : doubtLines(instanceId, inDoubt, nowMs);
    case 'in_flight':
      if (inFlight === undefined)
        return [`${instanceId} is being advanced by somebody else; nothing was run.`];
      return [
        `nothing was run: ${flightText(inFlight, nowMs)}${holderText(receipt)}.`,
        `wait: leasehold advance ${instanceId} --wait    follow: leasehold watch ${instanceId}`,
      ];
    case 'out_of_order':
      return [
        nextCellId === null
          ? `nothing was run: ${instanceId} has no cell left to run.`
          : `nothing was run: the next cell of ${instanceId} is ${nextCellId}.`,
        ...(nextCellId === null
          ? []
          : [`next: leasehold advance ${instanceId} --cell ${nextCellId}`]),
      ];
    case 'not_found':
      return [
        `there is no instance ${instanceId}${why}.`,
        `start it: leasehold start ${instanceId} --runbook RUNBOOK`,
      ];
    case 'expired':
      return [
        `nothing was run: the request had expired before a replica could begin it${why}.`,
        `give it longer: leasehold advance ${instanceId} --expires-in 2m (if it expires at once, compare this machine's clock with the replicas')`,
      ];
    case 'invalid':
      return [`the request is not valid${why}.`];
    case 'unavailable':
      return unavailableLines(receipt, why);
  }
}

function unavailableLines({ instanceId, requestId, holder }: Receipt, why: string): string[] {
  const again = requestId === null ? '' : ` --request-id ${requestId}`;
  return [
    `no outcome${why}.`,
    holder === null
      ? 'look: is a replica running in this namespace (leasehold replicas), and is NATS up?'
      : `look: replica ${holder.replicaId} answered but could not go on; its /readyz says which server it misses.`,
    `ask again, which runs nothing twice: leasehold advance ${instanceId}${again}`,
  ];
}

/** The doubt, and the commands that settle it. */
export function doubtLines(instanceId: string, inDoubt: InDoubt, nowMs: number): string[] {
  const { cellId, attempt, reason, since } = inDoubt;
  const command = `leasehold decide ${instanceId} --cell ${cellId} --attempt ${attempt}`;
  return [
    `${instanceId} is in doubt: attempt ${attempt} of ${cellId} was interrupted ${ago(since, nowMs)} (${reason}), and nobody can tell whether its effect happened.`,
    'Look at the receiving system, then settle it with one of:',
    `  ${command} --as succeeded --reason "…" [--output JSON]`,
    `  ${command} --as rerun --reason "…"      (it did not happen, or may happen twice)`,
    `  ${command} --as failed --reason "…"`,
    `  ${command} --as skipped --reason "…"`,
  ];
}

/** The open attempt in words. */
export function flightText({ cellId, attempt, since, requestId }: InFlight, nowMs: number): string {
  const request = requestId === null ? '' : `, request ${requestId}`;
  return `attempt ${attempt} of ${cellId} has been running since ${ago(since, nowMs)}${request}`;
}

function holderText({ holder }: Receipt): string {
  return holder === null ? '' : ` on ${holder.replicaId}`;
}

function either(statuses: string[]): string {
  return statuses.join(' or ');
}
