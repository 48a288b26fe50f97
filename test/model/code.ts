import type { History } from './history.ts';
import { renameReplica, type Renaming } from './renaming.ts';
import { hasRenounced } from './world.ts';
import type { Entry, Operation, Process, Work, World } from './world.ts';

/**
 * The code of a state: the same for two worlds if and only if they differ by a renaming of replicas
 * at most.
 */
export function canonicalCode(world: World, renamings: readonly Renaming[]): string {
  let least: string | undefined;
  for (const renaming of renamings) {
    const code = codeOf(world, renaming);
    if (least === undefined || code < least) least = code;
  }
  return least ?? '';
}

function codeOf(world: World, renaming: Renaming): string {
  const log = (history: History): number => history.renamed(renaming).id;
  const who = (replicaId: string): string => renameReplica(replicaId, renaming);
  const { lease, faults, recording } = world;
  const processes: string[] = [];
  world.processes.forEach((process, place) => {
    processes[renaming[place] ?? place] = processCode(process, log);
  });
  return [
    log(world.log),
    world.receipts
      .map(({ request, outcome, view, token, replicaId }) =>
        [request, outcome, log(view), token, who(replicaId)].join(),
      )
      .join(';'),
    world.late
      .map(({ attempt, states, replicaId, token }) => attempt + states + who(replicaId) + token)
      .sort()
      .join(),
    lease === undefined ? '' : `${who(lease.by)}${lease.token}${lease.stale ? '!' : ''}`,
    world.token,
    world.ghosts
      .map((entry) => entryCode(entry, log, who))
      .sort()
      .join(';'),
    world.decisions.map(({ attempt, as }) => attempt + as).join(),
    world.cancels.map(({ undo }) => (undo ? 'u' : 'c')).join(),
    (world.claim === undefined ? 0 : world.claim.revision * 8) +
      (world.claim?.status === 'open' ? 1 : 0) +
      (world.due ? 2 : 0) +
      (world.claimedInTime ? 4 : 0),
    world.notes.join(),
    world.line && [world.line.seq, world.line.time, world.line.seen].join(),
    world.effects
      .map(({ attempt, times, found, ended, knownTo }) =>
        [attempt, times, found ? 1 : 0, ended, knownTo && who(knownTo)].join(),
      )
      .join(';'),
    processes.join('/'),
    recording.questions
      .map(({ by, to, attempt, token }) => [who(by), who(to), attempt, token].join())
      .sort()
      .join(';'),
    recording.answers
      .map(({ from, attempt, statement }) => [who(from), attempt, statement].join())
      .sort()
      .join(';'),
    Object.values(faults).join(),
  ].join('|');
}

function entryCode(
  { view, base, token, replicaId, parks, receipt }: Entry,
  log: (history: History) => number,
  who: (replicaId: string) => string,
): string {
  const { request, outcome } = receipt ?? {};
  return [log(view), base, token, who(replicaId), parks, request, outcome].join();
}

function processCode(process: Process, log: (history: History) => number): string {
  const { life, up, draining, open, registered, holding, taking, works, promised } = process;
  const flags = (up ? 1 : 0) + (draining ? 2 : 0) + (open ? 4 : 0) + (registered ? 8 : 0);
  const held = holding === undefined ? '' : holdingCode(holding, log);
  const codes = works.map((work) => workCode(work, log));
  return [life, flags, held, taking, promised.join(), ...codes].join(' ');
}

function holdingCode(
  { token, known, cancel }: NonNullable<Process['holding']>,
  log: (history: History) => number,
): string {
  const asked = cancel === undefined ? '' : cancel.undo ? 'u' : 'c';
  return `${token}:${known && log(known)}:${asked}`;
}

function workCode(work: Work, log: (history: History) => number): string {
  const { token, operation, at, view, base, after, outcome, intent, closing, renounced, heldBack } =
    work;
  const flags =
    (work.resent ? 1 : 0) + (work.abandoned ? 2 : 0) + (work.answeredUnavailable ? 4 : 0);
  const promised = renounced !== undefined && hasRenounced(work, renounced);
  return [
    token,
    operationCode(operation),
    at,
    log(view),
    base,
    after,
    outcome,
    work.parks,
    intent,
    closing,
    promised ? renounced : '',
    heldBack,
    flags,
  ].join();
}

function operationCode(operation: Operation): string {
  switch (operation.do) {
    case 'advance':
      return operation.request + (operation.cell ?? '');
    case 'settle':
      return 's';
    case 'decide':
      return operation.decision.attempt + operation.decision.as;
    case 'cancel':
      return 'x';
  }
}
