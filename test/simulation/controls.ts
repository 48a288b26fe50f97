import type { AppendEntry, Log } from '../../advancer/log/log.ts';
import type { LeasesLifecycle } from '../../advancer/replica.ts';
import type { Coordinator } from '../../coordinator/coordinator.ts';
import type { Row } from '../../src/execution/row.ts';
import { EPOCH_MS, type SimProcess } from './world.ts';

/**
 * The bug that this project exists to end, put back: the intent is not written before the effect, but together with
 * the outcome. Whoever reads the history meanwhile finds that the cell may run.
 */
export function withoutIntent(_process: SimProcess, log: Log): Log {
  const heldBack = new Map<string, AppendEntry['rows']>();
  return {
    ...log,
    append(entry) {
      const rows = [...(heldBack.get(entry.instanceId) ?? []), ...entry.rows];
      heldBack.delete(entry.instanceId);
      if (rows.at(-1)?.kind !== 'started') return log.append({ ...entry, rows });
      heldBack.set(entry.instanceId, rows);
      const recordedAt = new Date(EPOCH_MS).toISOString();
      const stamped: Row[] = entry.rows.map((row) => ({ ...row, recordedAt }));
      return Promise.resolve({ kind: 'appended', rows: stamped });
    },
  };
}

/** Receipts are neither looked up nor kept apart. */
export function withoutReceipts(_process: SimProcess, log: Log): Log {
  return {
    ...log,
    receipt: () => Promise.resolve(undefined),
    snapshot: (instanceId) => log.snapshot(instanceId),
  };
}

/** A take-over does not look whether an attempt is open. */
export function withoutLookingForAttempts(_process: SimProcess, log: Log): Log {
  return { ...log, newestRow: () => Promise.resolve(undefined) };
}

/** Every process counts as gone, so that open attempts are closed while they run. */
export function withoutAskingEtcd(leases: Coordinator): LeasesLifecycle {
  return new Proxy<LeasesLifecycle>(leases, {
    get(target, name) {
      if (name === 'confirmGone') return () => Promise.resolve('gone');
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
