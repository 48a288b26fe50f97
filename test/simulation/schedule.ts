import { Random } from '../../tools/chaos/random.ts';
import type { ServerName } from './network.ts';

/**
 * Every call that a replica makes to the outside, by port. Subscriptions and watches are cut
 * instead.
 */
export const PORT_CALLS = {
  postgres: [
    'append',
    'snapshot',
    'rowsAfter',
    'newestRow',
    'receipt',
    'claimStatus',
    'readWait',
    'lateOutcomes',
    'addLateOutcome',
    'addRefusal',
    'highestToken',
    'unsettled',
    'findDue',
    'woken',
    'project',
    'forgetWakes',
    'forgetServed',
    'recheck',
  ],
  etcd: ['grant', 'renew', 'revoke', 'acquire', 'release', 'put', 'confirmAbsent', 'read', 'list'],
  nats: ['publish', 'request', 'reply'],
  effects: ['run', 'probe'],
} as const;

/** See {@link PORT_CALLS}. */
export type Port = keyof typeof PORT_CALLS;

/** Where a call is struck: before it, after it was applied, or once its answer is there. */
export type TrapPoint = 'before' | 'applied' | 'answered';

/**
 * What strikes: the process dies, freezes, or only this call (before) or its answer (applied) is
 * lost.
 */
export type TrapAct = 'kill' | 'freeze' | 'lose';

/** One call that a fault waits for; it strikes whichever replica makes it. */
export interface Trap {
  port: Port;
  call: string;
  /** Which one of its kind from now on. */
  nth: number;
  point: TrapPoint;
  act: TrapAct;
}

/** What goes wrong. `victim` picks one of the processes that live at that moment. */
export type Fault =
  | { fault: 'kill'; victim: number; forMs: number }
  | { fault: 'freeze'; victim: number; forMs: number }
  | { fault: 'drain'; victim: number; forMs: number }
  | { fault: 'cut'; victim: number; server: ServerName; forMs: number }
  | { fault: 'down'; server: ServerName; forMs: number }
  | { fault: 'storm'; forMs: number }
  | { fault: 'jump'; victim: number; skewMs: number }
  | ({ fault: 'trap'; forMs: number } & Trap)
  | { fault: 'all'; forMs: number };

/** One event, planned in advance. */
export type Planned = { atMs: number } & (
  | {
      do: 'request';
      instance: number;
      /** Whether it is for an instance that this one started, if there are any. */
      ofChild: boolean;
      maxCells: number | undefined;
      wait: boolean;
      /** Sends the same request again, this much later. */
      againMs: number | undefined;
      /**
       * Sends first only to the replica that was last known to hold the instance, and broadcasts
       * only after that.
       */
      holderFirst: boolean;
    }
  | { do: 'decide'; instance: number }
  | { do: 'cancel'; instance: number; undo: boolean }
  | { do: 'open_gate' }
  | ({ do: 'break' } & Fault)
);

/** How likely it is that a schedule cancels an instance. */
const CANCEL_CHANCE = 0.6;

/** How much a schedule contains. */
export interface ScheduleSize {
  requests: number;
  faults: number;
  /** Traps for single calls, in addition to the faults. */
  traps: number;
  instances: number;
  overMs: number;
}

/** Plans a schedule; the same seed gives the same one. */
export function planSchedule(seed: number, size: ScheduleSize): Planned[] {
  // A separate stream: what is planned does not depend on what happens.
  const random = new Random(seed ^ 0x5eed);
  const planned: Planned[] = [];
  const at = (fromMs: number): number => random.between(fromMs, size.overMs);
  const instance = (): number => Math.floor(random.between(0, size.instances));
  for (let count = 0; count < size.requests; count += 1) {
    planned.push({
      atMs: at(1_000),
      do: 'request',
      instance: instance(),
      ofChild: random.chance(0.3),
      maxCells: random.chance(0.3) ? random.pick([1, 2]) : undefined,
      wait: random.chance(0.3),
      againMs: random.chance(0.2) ? random.between(0, 3_000) : undefined,
      holderFirst: random.chance(0.5),
    });
  }
  for (let count = 0; count < 3; count += 1)
    planned.push({ atMs: at(1_000), do: 'decide', instance: instance() });
  if (random.chance(CANCEL_CHANCE))
    planned.push({ atMs: at(1_000), do: 'cancel', instance: instance(), undo: random.chance(0.6) });
  planned.push({ atMs: at(2_000), do: 'open_gate' });
  for (let count = 0; count < size.faults; count += 1) {
    planned.push({ atMs: at(1_500), do: 'break', ...planFault(random) });
  }
  for (let count = 0; count < size.traps; count += 1) {
    const forMs = random.between(300, 6_000);
    planned.push({ atMs: at(500), do: 'break', fault: 'trap', forMs, ...planTrap(random) });
  }
  return planned.sort((a, b) => a.atMs - b.atMs);
}

function planFault(random: Random): Exclude<Fault, { fault: 'trap' }> {
  const kinds = [
    'kill',
    'freeze',
    'freeze',
    'cut',
    'cut',
    'down',
    'drain',
    'storm',
    'jump',
    'all',
  ] as const;
  const fault = random.pick(kinds);
  const victim = Math.floor(random.between(0, 3));
  const server = random.pick(['etcd', 'postgres', 'postgres', 'nats'] as const);
  const forMs = random.between(300, 6_000);
  switch (fault) {
    case 'kill':
    case 'freeze':
    case 'drain':
      return { fault, victim, forMs };
    case 'cut':
      return { fault, victim, server, forMs };
    case 'down':
      return { fault, server, forMs };
    case 'storm':
    case 'all':
      return { fault, forMs };
    case 'jump':
      return { fault, victim, skewMs: random.between(-60_000, 60_000) };
  }
}

/**
 * Where a call can be struck, as it is counted: before it, after it, or so that its answer is lost.
 */
export const STRIKES = ['before', 'after', 'answer lost'] as const;

/** Calls that are so rare that a trap for one mostly waits in vain. */
const SELDOM: readonly string[] = [
  'rowsAfter',
  'addLateOutcome',
  'addRefusal',
  'release',
  'probe',
  'woken',
  'forgetWakes',
  'forgetServed',
];
const CALLS = Object.entries(PORT_CALLS).flatMap(([port, calls]) =>
  calls.flatMap((call) => {
    const one = { port: port as Port, call };
    return SELDOM.includes(call) ? [one, one, one, one] : [one];
  }),
);
/** Appends matter most; each of the other calls has its turn. */
const APPEND_CHANCE = 0.3;

function planTrap(random: Random): Trap {
  const { port, call } = random.chance(APPEND_CHANCE)
    ? { port: 'postgres' as const, call: 'append' }
    : random.pick(CALLS);
  const nth = Math.floor(
    random.between(1, call === 'append' || call === 'run' ? 16 : SELDOM.includes(call) ? 1 : 3),
  );
  const end = random.pick(['kill', 'freeze'] as const);
  switch (random.pick(STRIKES)) {
    case 'before': {
      // A process that freezes as its effect begins is already inside it, as far as a lease can do
      // anything about it: that case is struck after the call.
      const act = random.pick(
        port === 'effects' ? (['kill', 'lose'] as const) : [end, end, 'lose' as const],
      );
      return { port, call, nth, act, point: 'before' };
    }
    case 'after':
      return { port, call, nth, act: end, point: random.pick(['applied', 'answered']) };
    case 'answer lost':
      return { port, call, nth, act: 'lose', point: 'applied' };
  }
}

/**
 * Leaves out of a failing schedule whatever it fails without: halves first, then smaller parts,
 * then single events. Source: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing
 * input", 2002.
 */
export async function shrink(
  schedule: Planned[],
  fails: (schedule: Planned[]) => Promise<boolean>,
): Promise<Planned[]> {
  let kept = schedule;
  for (
    let size = Math.ceil(kept.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let from = 0; from < kept.length;) {
      const without = [...kept.slice(0, from), ...kept.slice(from + size)];
      if (without.length > 0 && (await fails(without))) kept = without;
      else from += size;
    }
  }
  return kept;
}
