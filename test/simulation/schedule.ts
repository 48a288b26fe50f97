import { Random } from '../../src/chaos/random.ts';
import type { ServerName } from './network.ts';

/** Where a call of a trapped process is cut off. */
export type TrapPoint = 'before' | 'applied' | 'answered';

/** What goes wrong. `victim` picks one of the processes that live at that moment. */
export type Fault =
  | { fault: 'kill'; victim: number; forMs: number }
  | { fault: 'freeze'; victim: number; forMs: number }
  | { fault: 'drain'; victim: number; forMs: number }
  | { fault: 'cut'; victim: number; server: ServerName; forMs: number }
  | { fault: 'down'; server: ServerName; forMs: number }
  | { fault: 'storm'; forMs: number }
  | { fault: 'jump'; victim: number; skewMs: number }
  /** The process dies or freezes at its nth call to a server from now on: before it, after it was applied, or with its answer. */
  | {
      fault: 'trap';
      victim: number;
      server: ServerName;
      nth: number;
      point: TrapPoint;
      act: 'kill' | 'freeze';
      forMs: number;
    }
  | { fault: 'all'; forMs: number };

/** One thing that is laid out in advance. */
export type Planned = { atMs: number } & (
  | {
      do: 'ask';
      instance: number;
      maxCells: number | undefined;
      wait: boolean;
      /** Sends the same request again, so much later. */
      againMs: number | undefined;
    }
  | { do: 'decide'; instance: number }
  | { do: 'open_gate' }
  | ({ do: 'break' } & Fault)
);

/** How much a schedule holds. */
export interface ScheduleSize {
  requests: number;
  faults: number;
  instances: number;
  overMs: number;
}

/** Lays out a schedule; the same seed gives the same one. */
export function planSchedule(seed: number, size: ScheduleSize): Planned[] {
  // A stream of its own: what is planned does not depend on what happens.
  const random = new Random(seed ^ 0x5eed);
  const planned: Planned[] = [];
  const at = (fromMs: number): number => random.between(fromMs, size.overMs);
  const instance = (): number => Math.floor(random.between(0, size.instances));
  for (let count = 0; count < size.requests; count += 1) {
    planned.push({
      atMs: at(1_000),
      do: 'ask',
      instance: instance(),
      maxCells: random.chance(0.3) ? random.pick([1, 2]) : undefined,
      wait: random.chance(0.3),
      againMs: random.chance(0.2) ? random.between(0, 3_000) : undefined,
    });
  }
  for (let count = 0; count < 3; count += 1)
    planned.push({ atMs: at(1_000), do: 'decide', instance: instance() });
  planned.push({ atMs: at(2_000), do: 'open_gate' });
  for (let count = 0; count < size.faults; count += 1) {
    planned.push({ atMs: at(1_500), do: 'break', ...planFault(random) });
  }
  return planned.sort((a, b) => a.atMs - b.atMs);
}

function planFault(random: Random): Fault {
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
    'trap',
    'trap',
    'trap',
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
    case 'trap':
      return {
        fault,
        victim,
        server: random.pick(['etcd', 'postgres', 'postgres']),
        nth: Math.floor(random.between(1, 12)),
        point: random.pick(['before', 'applied', 'answered']),
        act: random.pick(['kill', 'freeze']),
        forMs,
      };
  }
}

/**
 * Leaves out of a failing schedule whatever it fails without: halves first, then smaller parts, then single events.
 * Source: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002.
 */
export async function shrink(
  schedule: Planned[],
  fails: (schedule: Planned[]) => Promise<boolean>,
): Promise<Planned[]> {
  let kept = schedule;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < kept.length;) {
      const without = [...kept.slice(0, from), ...kept.slice(from + size)];
      if (without.length > 0 && (await fails(without))) kept = without;
      else from += size;
    }
  }
  return kept;
}
