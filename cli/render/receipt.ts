import type {
  Awaiting,
  DoubtEvidence,
  InDoubt,
  InFlight,
  UnwindingView,
  Waiting,
} from '../../src/execution/views.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import { suggestion } from '../../src/shell-quote.ts';
import { childrenCommand, childrenText } from './children.ts';
import { clean, table } from './table.ts';
import type { Style } from './table.ts';
import { ago, elapsed, span } from './time.ts';

/** A receipt as text: the steps, the outcome in a sentence, and what to do next. */
export function receiptText(receipt: Receipt, style: Style, nowMs: number): string {
  const lines: string[] = [];
  if (receipt.steps.length > 0) {
    const rows = receipt.steps.map(({ seq, cellId, kind, attempt }) => [
      seq,
      cellId,
      kind,
      attempt,
    ]);
    lines.push(table(['SEQ', 'CELL', 'KIND', 'ATTEMPT'], rows, style));
    if (receipt.stepsTruncated === true)
      lines.push(
        `only the newest steps; all of them: ${suggestion('status', [receipt.instanceId], ['--log'])}`,
      );
    lines.push('');
  }
  lines.push(...outcomeLines(receipt, nowMs).map(clean));
  if (receipt.unwinding !== undefined && receipt.outcome !== 'cancelled')
    lines.push(clean(unwindingText(receipt.unwinding)));
  if (receipt.holder !== null) {
    lines.push(
      `holder ${clean(receipt.holder.replicaId)}, fencing token ${receipt.holder.fencingToken}`,
    );
  }
  if (receipt.requestId !== null) lines.push(`request ${clean(receipt.requestId)}`);
  return lines.join('\n');
}

function outcomeLines(receipt: Receipt, nowMs: number): string[] {
  const { instanceId, outcome, nextCellId, inFlight, inDoubt, error } = receipt;
  const why = error === undefined ? '' : `: ${error.message}`;
  switch (outcome) {
    case 'completed':
      return [`${instanceId} completed.`];
    case 'advanced':
      return [
        `${instanceId} advanced; the next cell is ${nextCellId ?? 'none'}.`,
        `next: ${suggestion('advance', [instanceId])}`,
      ];
    case 'parked':
      return parkedLines(receipt, why, nowMs);
    case 'halted': {
      const tried = receipt.steps.findLast(({ cellId }) => cellId === nextCellId);
      return [
        `${instanceId} halted${nextCellId === null ? '' : ` at ${nextCellId}`}${why}.`,
        `see: ${suggestion('status', [instanceId], ['--log'])}`,
        ...(tried === undefined ? [] : haltLines(instanceId, tried.cellId, tried.attempt)),
      ];
    }
    case 'cancelled':
      return [`${instanceId} is cancelled${why}.`];
    case 'in_doubt':
      return inDoubt === undefined
        ? [`${instanceId} is in doubt${why}.`]
        : doubtLines(instanceId, inDoubt, nowMs);
    case 'in_flight':
      if (inFlight === undefined)
        return [`nothing ran: another request is advancing ${instanceId}.`];
      return [
        `nothing ran: ${flightText(inFlight, nowMs)}${holderText(receipt)}.`,
        `to wait: ${suggestion('advance', [instanceId], ['--wait'])}`,
        `to follow: ${suggestion('watch', [instanceId])}`,
      ];
    case 'out_of_order':
      return [
        nextCellId === null
          ? `nothing ran: ${instanceId} has no cell left to run.`
          : `nothing ran: the next cell of ${instanceId} is ${nextCellId}.`,
        ...(nextCellId === null
          ? []
          : [`next: ${suggestion('advance', [instanceId], ['--cell', nextCellId])}`]),
      ];
    case 'not_found':
      return [
        `nothing ran: ${error?.message ?? `there is no instance ${instanceId}`}.`,
        `to start it: ${suggestion('start', [instanceId], ['--runbook', 'RUNBOOK'])}`,
      ];
    case 'expired':
      return [
        `nothing ran: ${error?.message ?? 'the request expired before a replica began it'}.`,
        "if it expires at once, compare this machine's clock with the replicas'",
        `to allow more time: ${suggestion('advance', [instanceId], ['--expires-in', '2m'])}`,
      ];
    case 'invalid':
      return [`the request is invalid${why}.`];
    case 'unavailable':
      return unavailableLines(receipt, why);
  }
}

function parkedLines(
  { instanceId, awaiting, waiting, children }: Receipt,
  why: string,
  nowMs: number,
): string[] {
  const advance = suggestion('advance', [instanceId]);
  if (waiting !== undefined)
    return [
      `${instanceId} is parked at ${waiting.cellId}: ${waitingText(waiting, nowMs)}.`,
      `next, when the time has come: ${advance}`,
    ];
  if (children !== undefined)
    return [
      `${instanceId} is parked: ${childrenText(children)}.`,
      `to see them: ${childrenCommand(instanceId)}`,
      `next, when they have ended: ${advance}`,
    ];
  if (awaiting === undefined) return [`${instanceId} is parked${why}.`];
  const { cellId, claimId, statuses } = awaiting;
  return [
    `${instanceId} is parked at ${cellId}: ${awaitingText(awaiting, nowMs)}.`,
    `next: ${suggestion('claim', [claimId, statuses[0] ?? 'STATUS'])} && ${advance}`,
  ];
}

function unavailableLines({ instanceId, requestId, holder }: Receipt, why: string): string[] {
  const sameRequest = requestId === null ? [] : ['--request-id', requestId];
  return [
    `no outcome${why === '' ? '.' : why}`,
    holder === null
      ? 'check that NATS is running and that a replica runs in this namespace (leasehold replicas)'
      : `replica ${holder.replicaId} answered but could not continue; its /readyz shows which server it cannot reach`,
    `to repeat the request (nothing runs twice): ${suggestion('advance', [instanceId], sameRequest)}`,
  ];
}

/** The commands that lead on from a cell that halted its instance. */
export function haltLines(instanceId: string, cellId: string, attempt: number): string[] {
  const about = ['--cell', cellId, '--attempt', String(attempt)];
  const decide = (as: string): string =>
    `  ${suggestion('decide', [instanceId], [...about, '--as', as, '--reason', '…'])}`;
  return [
    'To go on, run one of these. rerun tries it again; succeeded takes --output JSON, if later cells need it.',
    decide('rerun'),
    decide('succeeded'),
    decide('skipped'),
    `  ${suggestion('cancel', [instanceId], ['--reason', '…'])}`,
  ];
}

/** What is in doubt, what is known of it, and the commands that resolve it. */
export function doubtLines(
  instanceId: string,
  inDoubt: InDoubt & DoubtEvidence,
  nowMs: number,
): string[] {
  const { cellId, attempt, reason, since } = inDoubt;
  const about = ['--cell', cellId, '--attempt', String(attempt)];
  const command = (as: string): string =>
    `  ${suggestion('decide', [instanceId], [...about, '--as', as, '--reason', '…'])}`;
  return [
    `${instanceId} is in doubt: attempt ${attempt} of ${cellId} was interrupted ${ago(since, nowMs)} (${reason}), and ${unknownText(inDoubt)}.`,
    ...lateLines(inDoubt),
    'Check the receiving system, then run one of these. succeeded takes --output JSON, if later cells need it; rerun is for an effect that did not happen, or may happen again.',
    command('succeeded'),
    command('rerun'),
    command('failed'),
    command('skipped'),
  ];
}

/** What nobody knows of an attempt in doubt. */
function unknownText({ reason, happened, lateOutcome }: InDoubt & DoubtEvidence): string {
  if (happened === true)
    return 'its effect happened, but whether it did what it should have is unknown';
  return reason === 'unverified' || lateOutcome?.kind === 'unverified'
    ? 'its effect ended, but its output was lost, so whether it did what it should have is unknown'
    : 'whether its effect happened is unknown';
}

/** What the replica that ran the effect reported late. Only an unverified one settles nothing. */
function lateLines({ lateOutcome }: DoubtEvidence): string[] {
  if (lateOutcome === undefined) return [];
  const { kind, replicaId, message } = lateOutcome;
  const why = message === undefined ? '' : `: ${message}`;
  return kind === 'unverified'
    ? [`${replicaId}, which ran it, reported this later${why}`]
    : [`${replicaId} reported ${kind} later; the next advance settles the doubt by that.`];
}

/** The running attempt: `attempt 1 of charge has been running for 2 s`. */
export function flightText({ cellId, attempt, since, requestId }: InFlight, nowMs: number): string {
  const request = requestId === null ? '' : `, request ${requestId}`;
  return `attempt ${attempt} of ${cellId} has been running for ${elapsed(since, nowMs)}${request}`;
}

function holderText({ holder }: Receipt): string {
  return holder === null ? '' : ` on ${holder.replicaId}`;
}

/** What a parked instance waits for. */
export function awaitingText(awaiting: Awaiting, nowMs: number): string {
  const { claimId, statuses, currentStatus, until } = awaiting;
  const deadline = until === undefined ? '' : `, until ${momentText(until, nowMs)}`;
  return `it waits for claim ${claimId} to be ${statuses.join(' or ')} (now: ${currentStatus ?? 'not set'})${deadline}`;
}

/** How long a parked instance waits for time to pass. */
export function waitingText({ until }: Waiting, nowMs: number): string {
  return `it waits until ${momentText(until, nowMs)}`;
}

/** Whether it has come is for the database's clock to say. */
function momentText(iso: string, nowMs: number): string {
  const leftMs = Date.parse(iso) - nowMs;
  return `${iso} (${leftMs > 0 ? `in ${span(leftMs)}` : 'about now'})`;
}

/** Who has what an instance did undone, and why. */
export function unwindingText({ by, reason }: UnwindingView): string {
  return `being undone, by ${by}: ${reason}`;
}
