import type { Failover } from '../record.ts';

/**
 * The failover times of one kind of fault, for idle instances or for open attempts: the two have
 * different bounds.
 */
export interface FailoverGroup {
  kind: string;
  attemptOpen: boolean;
  /** In ascending order. */
  failovers: Failover[];
  count: number;
  medianMs: number;
  p99Ms: number;
  worstMs: number;
  /** The distinct promised bounds, ascending; empty if there is none. */
  boundsMs: number[];
  /** How many took longer than their own bound. */
  missed: number;
}

/** The groups in order of kind, idle before open attempts. */
export function failoverGroups(failovers: readonly Failover[]): FailoverGroup[] {
  const groups = new Map<string, Failover[]>();
  for (const failover of failovers) {
    const key = JSON.stringify([failover.kind, failover.attemptOpen]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [failover]);
    else group.push(failover);
  }
  return [...groups.values()]
    .map(groupOf)
    .sort((a, b) => compare(a.kind, b.kind) || Number(a.attemptOpen) - Number(b.attemptOpen));
}

/** Whether a failover took longer than its bound. */
export function isMissed(failover: Failover): boolean {
  return failover.boundMs !== null && failover.ms > failover.boundMs;
}

/** The nearest-rank percentile of ascending values, so always a measured one. NaN for none. */
export function percentile(ascending: readonly number[], percent: number): number {
  const rank = Math.ceil((percent / 100) * ascending.length);
  return ascending[Math.max(0, rank - 1)] ?? Number.NaN;
}

function groupOf(members: readonly Failover[]): FailoverGroup {
  const failovers = [...members].sort(
    (a, b) => a.ms - b.ms || a.faultId - b.faultId || compare(a.instanceId, b.instanceId),
  );
  const ascending = failovers.map(({ ms }) => ms);
  const bounds = new Set(failovers.flatMap(({ boundMs }) => (boundMs === null ? [] : [boundMs])));
  return {
    kind: failovers[0]?.kind ?? '',
    attemptOpen: failovers[0]?.attemptOpen ?? false,
    failovers,
    count: failovers.length,
    medianMs: percentile(ascending, 50),
    p99Ms: percentile(ascending, 99),
    worstMs: percentile(ascending, 100),
    boundsMs: [...bounds].sort((a, b) => a - b),
    missed: failovers.filter(isMissed).length,
  };
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
