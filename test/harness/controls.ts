import type { EffectRunner } from '../../advancer/cells/cells.ts';
import type { AppendEntry, Log } from '../../advancer/log/log.ts';
import type { LeasesLifecycle } from '../../advancer/replica.ts';
import { NO_REDACTION } from '../../advancer/secrets/redaction.ts';
import type { Secrets } from '../../advancer/secrets/secrets.ts';
import type { AcquireOutcome } from '../../coordinator/leases.ts';
import type { Row } from '../../src/execution/row.ts';
import type { Holding } from '../../src/lease/holding.ts';
import { isLostOutput } from '../../src/runbook/lost-output.ts';

/*
 * Negative controls: replicas with a rule switched off, by wrapping the log or the leases that they
 * are built from. The simulation runs them in its world (test/simulation), and broken-replica.ts as
 * processes under chaos. The shipped program does not contain them.
 */

/** What is put between a replica and its log, its leases, or the runner of its effects. */
export type Wrapper<Part> = (part: Part) => Part;

/**
 * The bug that this project exists to end, put back: the intent is not written before the effect,
 * but together with the outcome. A replica that reads the log meanwhile finds that the cell may
 * run.
 */
export function withoutIntent(log: Log): Log {
  const heldBack = new Map<string, AppendEntry['rows']>();
  return over(log, {
    append(entry) {
      const rows = [...(heldBack.get(entry.instanceId) ?? []), ...entry.rows];
      heldBack.delete(entry.instanceId);
      if (rows.at(-1)?.kind !== 'started') return log.append({ ...entry, rows });
      heldBack.set(entry.instanceId, rows);
      const recordedAt = new Date(0).toISOString();
      const stamped: Row[] = entry.rows.map((row) => ({ ...row, recordedAt }));
      return Promise.resolve({ kind: 'appended', rows: stamped });
    },
  });
}

/** Receipts are not looked up. */
export function withoutReceipts(log: Log): Log {
  return over(log, {
    receipt: () => Promise.resolve(undefined),
    snapshot: (instanceId) => log.snapshot(instanceId),
  });
}

/**
 * The replica's half of a token check that is switched off: it takes no row it reads for a later
 * term's, and being fenced for a mere conflict, after which it reads on. The log's half is its
 * guard, which broken-guard.ts breaks.
 */
export function withoutTokens(log: Log): Log {
  const withoutToken = (row: Row): Row => ({ ...row, fencingToken: 1 });
  return over(log, {
    async snapshot(instanceId, requestId) {
      const snapshot = await log.snapshot(instanceId, requestId);
      return snapshot && { ...snapshot, rows: snapshot.rows.map(withoutToken) };
    },
    rowsAfter: async (instanceId, afterSeq) =>
      (await log.rowsAfter(instanceId, afterSeq)).map(withoutToken),
    async append(entry) {
      const outcome = await log.append(entry);
      return outcome.kind === 'fenced' ? { kind: 'conflict', detail: outcome.detail } : outcome;
    },
  });
}

/** A takeover does not check whether an attempt is open. */
export function withoutLookingForAttempts(log: Log): Log {
  return over(log, { newestRow: () => Promise.resolve(undefined) });
}

/** Every process counts as gone, so that open attempts are closed while they run. */
export function withoutAskingEtcd(leases: LeasesLifecycle): LeasesLifecycle {
  return over(leases, { confirmGone: () => Promise.resolve('gone') });
}

/** A holding stays trusted until it is released or superseded, even if its session is lost. */
export function withoutTrustWindow(leases: LeasesLifecycle): LeasesLifecycle {
  const kept = new Map<string, Holding>();
  const never = new AbortController().signal;
  const trustForever = (holding: Holding): void => {
    // The first listener is the replica, which drops its state for the instance; later listeners
    // are effects, which must not be aborted.
    const listen = holding.onEnd.bind(holding);
    let listened = false;
    const onEnd = (listener: () => void): (() => void) => {
      if (listened) return () => undefined;
      listened = true;
      return listen(listener);
    };
    Object.defineProperties(holding, {
      trusted: { value: () => true },
      signal: { value: never },
      ended: { value: false },
      onEnd: { value: onEnd },
    });
  };
  const forget = ({ instanceId, token }: Holding): void => {
    if (kept.get(instanceId)?.token === token) kept.delete(instanceId);
  };
  const keep = (outcome: AcquireOutcome): AcquireOutcome => {
    if (outcome.kind === 'acquired') {
      // The same holding may be returned again.
      if (kept.get(outcome.holding.instanceId) !== outcome.holding) trustForever(outcome.holding);
      kept.set(outcome.holding.instanceId, outcome.holding);
    }
    return outcome;
  };
  return over(leases, {
    acquire: async (instanceId) => keep(await leases.acquire(instanceId)),
    takeOver: async (seen) => keep(await leases.takeOver(seen)),
    holding: (instanceId) => leases.holding(instanceId) ?? kept.get(instanceId),
    supersede(holding) {
      forget(holding);
      leases.supersede(holding);
    },
    release(holding, why) {
      forget(holding);
      return leases.release(holding, why);
    },
    releaseAll(which, why, headStartMs) {
      for (const instanceId of kept.keys()) if (which(instanceId)) kept.delete(instanceId);
      return leases.releaseAll(which, why, headStartMs);
    },
  });
}

/** An effect that may have happened counts as refused, so that the next attempt has a new key. */
export function withoutUnknown(effects: EffectRunner): EffectRunner {
  return over(effects, {
    async run(cell, context, signals) {
      const outcome = await effects.run(cell, context, signals);
      if (outcome.kind !== 'unknown' || outcome.detail['notBegun'] === true) return outcome;
      const error = { message: 'no answer', code: 'status' };
      return { kind: 'failed', class: 'refused', error, detail: outcome.detail };
    },
  });
}

/** An effect that happened counts as refused, if its output was lost or is not as expected. */
export function withoutHappened(effects: EffectRunner): EffectRunner {
  return over(effects, {
    async run(cell, context, signals) {
      const outcome = await effects.run(cell, context, signals);
      const { detail } = outcome;
      if (outcome.kind === 'failed' && outcome.class === 'succeeded')
        return { ...outcome, class: 'refused' };
      if (outcome.kind !== 'completed' || !isLostOutput(outcome.output)) return outcome;
      const error = { message: 'the output cannot be stored', code: 'unexpected' };
      return { kind: 'failed', class: 'refused', error, detail };
    },
  });
}

/** Secrets are given to effects, and taken out of nothing that they say. */
export function withoutRedaction(secrets: Secrets): Secrets {
  return over(secrets, { redaction: () => NO_REDACTION });
}

/** A replica that takes the end of an instance for a cell that was skipped, and goes on. */
export function withoutCancelled(log: Log): Log {
  const goingOn = (row: Row): Row =>
    row.kind === 'cancelled' ? { ...row, kind: 'skipped', body: {} } : row;
  return over(log, {
    async snapshot(instanceId, requestId) {
      const snapshot = await log.snapshot(instanceId, requestId);
      return snapshot && { ...snapshot, rows: snapshot.rows.map(goingOn) };
    },
    rowsAfter: async (instanceId, afterSeq) =>
      (await log.rowsAfter(instanceId, afterSeq)).map(goingOn),
    async append(entry) {
      const outcome = await log.append(entry);
      return 'rows' in outcome ? { ...outcome, rows: outcome.rows.map(goingOn) } : outcome;
    },
  });
}

/** Pauses and deadlines are due as soon as somebody looks. */
export function withoutWaiting(log: Log): Log {
  return over(log, {
    readWait: async (claimId, due) => ({ ...(await log.readWait(claimId, due)), isDue: true }),
  });
}

/** What a cell did counts as undone without being undone. */
export function withoutUndo(effects: EffectRunner): EffectRunner {
  return over(effects, {
    run: (cell, context, signals) =>
      cell.id.startsWith('undo-')
        ? Promise.resolve({ kind: 'completed', output: { ok: true }, detail: {} })
        : effects.run(cell, context, signals),
  });
}

/** What was done is undone in the order in which it was done, the oldest first. */
export function withoutReverse(log: Log): Log {
  // The plan reads the cells from the end, and the undo cells of what it undoes are only known once
  // an instance unwinds: from then on its runbook reads as if it had been written backwards.
  const unwinding = new Set<string>();
  const noted = (rows: readonly Pick<Row, 'instanceId' | 'kind'>[]): void => {
    for (const { instanceId, kind } of rows) if (kind === 'unwinding') unwinding.add(instanceId);
  };
  return over(log, {
    async snapshot(instanceId, requestId) {
      const snapshot = await log.snapshot(instanceId, requestId);
      if (snapshot === undefined) return undefined;
      noted(snapshot.rows);
      const { runbook } = snapshot;
      const backwards = runbook.cells.toReversed();
      const read = Object.defineProperty({ ...runbook }, 'cells', {
        get: () => (unwinding.has(instanceId) ? backwards : runbook.cells),
      });
      return { ...snapshot, runbook: read };
    },
    async rowsAfter(instanceId, afterSeq) {
      const rows = await log.rowsAfter(instanceId, afterSeq);
      noted(rows);
      return rows;
    },
    async append(entry) {
      const outcome = await log.append(entry);
      if ('rows' in outcome) noted(outcome.rows);
      return outcome;
    },
  });
}

/** An object with some methods replaced. A proxy, because a copy would lose private members. */
export function over<T extends object>(target: T, changed: Partial<T>): T {
  return new Proxy(target, {
    get(whole, name) {
      const from = name in changed ? changed : whole;
      const value: unknown = Reflect.get(from, name, from);
      return typeof value === 'function' ? (value.bind(from) as unknown) : value;
    },
  });
}
