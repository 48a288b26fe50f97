import { unsettled } from './guarantees.ts';
import type { History } from './history.ts';
import type { Moves } from './moves.ts';
import { entryOf } from './delivery.ts';
import { derive, isDue, UNDERIVED } from './due.ts';
import { struck } from './struck.ts';
import { replicaIdOf, type Operation, type Process, type Work, type World } from './world.ts';

/**
 * What a process, and etcd about it, may do apart from its walks: sessions, leases, taking up
 * operations, dying.
 */
export function leaseMoves(moves: Moves, index: number): void {
  const process = processAt(moves.from, index);
  const id = replicaIdOf(process);
  sessionMoves(moves, index, process, id);
  if (!process.up) {
    if (!process.registered) {
      moves.add('restart', `${process.place} starts again`, (world) => {
        const next = processAt(world, index);
        next.life += 1;
        next.up = true;
        next.draining = false;
        next.open = true;
        next.registered = true;
      });
    }
    return;
  }
  deathMoves(moves, index, process, id);
  if (process.holding === undefined) acquireMoves(moves, index, process, id);
  else holdingMoves(moves, index, process, id, process.holding);
}

function sessionMoves(moves: Moves, index: number, process: Process, id: string): void {
  if (process.registered && (!process.open || !moves.model.rules.windowClosesFirst)) {
    moves.add('session expires', `etcd lets the session of ${id} expire`, (world) => {
      processAt(world, index).registered = false;
      if (world.lease?.by === id && !world.lease.stale) world.lease = undefined;
    });
  }
  if (process.up && process.open) {
    moves.fault(
      'lapses',
      struck('window closes', moves.from, process),
      `the trust window of ${id} closes (frozen, or keep-alives lost)`,
      (world) => {
        const next = processAt(world, index);
        next.open = false;
        next.holding = undefined;
        next.taking = undefined;
      },
    );
  }
  if (process.up && !process.open && !process.draining) {
    moves.add('new session', `${id} opens a new session`, (world) => {
      const next = processAt(world, index);
      // Its key in the registry moves to the new session; a lease key stays on the old one.
      if (world.lease?.by === id) world.lease = { ...world.lease, stale: true };
      next.open = true;
      next.registered = true;
    });
  }
}

function deathMoves(moves: Moves, index: number, process: Process, id: string): void {
  const sending = process.works.filter(({ at }) => at === 'sending');
  for (const arrives of sending.length > 0 ? [false, true] : [false]) {
    const what =
      sending.length === 0
        ? ''
        : arrives
          ? ', what it sent is on its way'
          : ', what it sent is lost';
    const kind = struck('crash', moves.from, process);
    moves.fault('crashes', kind, `${id} dies${what}`, (world) => {
      const next = processAt(world, index);
      const entries = next.works
        .filter(({ at }) => at === 'sending')
        .map((work) => entryOf({ process: next, work }));
      if (arrives) world.ghosts = [...world.ghosts, ...entries];
      die(world, next);
    });
  }
  if (!process.draining) {
    moves.fault('drains', 'drain', `${id} starts to drain`, (world) => {
      processAt(world, index).draining = true;
    });
  } else if (process.works.length === 0 && process.holding === undefined) {
    moves.add('leave', `${id} has drained and leaves`, (world) => {
      const next = processAt(world, index);
      die(world, next);
      next.registered = false;
      if (world.lease?.by === id) world.lease = undefined;
    });
  }
}

function die(world: World, process: Process): void {
  const id = replicaIdOf(process);
  process.up = false;
  process.open = false;
  process.holding = undefined;
  process.taking = undefined;
  process.works = [];
  process.promised = [];
  world.effects = world.effects.map((effect) =>
    effect.knownTo === id ? { ...effect, knownTo: undefined } : effect,
  );
}

/** Whether there is anything to do that needs the lease. */
function wanted(moves: Moves, process: Process): boolean {
  const { from, model } = moves;
  return (
    from.receipts.length < model.scenario.requests ||
    from.decisions.length > 0 ||
    isDue(from) ||
    from.cancels.length > 0 ||
    unsettled(from, process)
  );
}

function acquireMoves(moves: Moves, index: number, process: Process, id: string): void {
  const { from, model } = moves;
  const { lease } = from;
  if (!process.open || process.draining || !wanted(moves, process)) return;
  const get = (kind: string, label: string): void =>
    moves.add(kind, label, (world) => hold(world, index, id));
  if (lease === undefined) {
    get('acquire', `${id} acquires the lease`);
    // It has read the log before, to see that there is such an instance, and not again.
    for (let rows = 0; rows <= from.log.length; rows += 1) {
      const label = `${id} acquires the lease, and knows ${rows} of ${from.log.length} rows`;
      moves.fault('earlyReads', 'acquire after an early read', label, (world) =>
        hold(world, index, id, world.log.prefix(rows)),
      );
    }
    return;
  }
  // If its own key is there but its term has ended, the key is replaced.
  if (lease.by === id) return get('acquire', `${id} replaces its own earlier term`);
  if (model.scenario.hostile && !model.rules.notesSealed) {
    const label = `${id} hears that ${lease.by} leaves, which is forged, and replaces its term`;
    moves.fault('takeOvers', 'forged leaving', label, (world) => hold(world, index, id));
  }
  if (process.taking === undefined) {
    if (model.rules.takeOverLooks && from.log.step.do === 'close') return;
    const label = `${id} cannot reach ${lease.by}, and is about to take over token ${lease.token}`;
    moves.fault('takeOvers', 'look before take-over', label, (world) => {
      processAt(world, index).taking = lease.token;
    });
  } else if (process.taking === lease.token) {
    get('take over', `${id} takes over token ${lease.token}`);
  }
}

function hold(world: World, index: number, id: string, known?: History): void {
  const next = processAt(world, index);
  world.token += 1;
  world.lease = { by: id, token: world.token, stale: false };
  next.holding = { token: world.token, known, cancel: undefined };
  next.taking = undefined;
}

function holdingMoves(
  moves: Moves,
  index: number,
  process: Process,
  id: string,
  { token, cancel }: NonNullable<Process['holding']>,
): void {
  const { from, model } = moves;
  if (!process.works.some(({ intent, closing }) => intent !== undefined || closing !== undefined)) {
    const release = (world: World): void => {
      processAt(world, index).holding = undefined;
      if (world.lease?.by === id && world.lease.token === token) world.lease = undefined;
    };
    if (process.draining) moves.add('release', `${id} releases its lease, draining`, release);
    else moves.fault('releases', 'release', `${id} releases its lease`, release);
  }
  if (process.draining) return;
  const atWork = process.works.some((work) => work.token === token);
  for (const taken of cancel === undefined ? from.cancels : []) {
    const label = `${id} takes up a cancellation under token ${token}`;
    moves.add('take up a cancellation', label, (world) => {
      const next = processAt(world, index);
      if (next.holding !== undefined) next.holding = { ...next.holding, cancel: taken };
    });
  }
  if (atWork && (model.rules.cancelAwaitsClosing || cancel === undefined)) return;
  const begin = (kind: string, label: string, operation: Operation): void =>
    moves.add(kind, label, (world) => {
      const next = processAt(world, index);
      const known = next.holding?.known;
      const work: Work = {
        token,
        operation,
        at: known === undefined ? 'read' : 'ready',
        view: known ?? model.book.empty,
        base: known?.length ?? 0,
        after: 'end',
        outcome: undefined,
        parks: undefined,
        intent: undefined,
        closing: undefined,
        renounced: undefined,
        heldBack: undefined,
        resent: false,
        abandoned: false,
        answeredUnavailable: false,
      };
      if (known !== undefined) derive(work);
      if (kind === 'look' && !model.rules.notesOutliveLooks) world.notes = [];
      next.works.push(work);
    });
  const applies = process.works.some((work) => work.operation.do === 'cancel');
  if (cancel !== undefined && !applies)
    begin('apply a cancellation', `${id} is about to cancel under token ${token}`, {
      do: 'cancel',
    });
  if (atWork) return;
  for (let number = 1; number <= model.scenario.requests; number += 1) {
    const request = `r${number}`;
    if (from.receipts.some((recorded) => recorded.request === request)) continue;
    begin('take up a request', `${id} takes up ${request} under token ${token}`, {
      do: 'advance',
      request,
    });
  }
  for (const decision of from.decisions) {
    const label = `${id} takes up the decision on ${decision.attempt}`;
    begin('take up a decision', label, { do: 'decide', decision });
  }
  if (isDue(from)) {
    const label = `${id} looks at the instance, which is due, under token ${token}`;
    begin('look', label, { do: 'advance', request: UNDERIVED, cell: '' });
  }
  if (unsettled(from, process))
    begin('sweep', `${id} sweeps under token ${token}`, { do: 'settle' });
}

/** A process of a world, by its place. */
export function processAt(world: World, index: number): Process {
  const process = world.processes[index];
  if (process === undefined) throw new RangeError(`there is no process ${index}`);
  return process;
}
