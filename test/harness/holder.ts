import { createEffectRunner, type EffectRunnerOptions } from '../../advancer/cells/runner.ts';
import type { Log } from '../../advancer/log/log.ts';
import { Attempts } from '../../advancer/run/attempts.ts';
import type { RunContext } from '../../advancer/run/context.ts';
import { LateProjections } from '../../advancer/run/late-projections.ts';
import { RecentReceipts } from '../../advancer/run/recent-receipts.ts';
import type { Leases } from '../../coordinator/leases.ts';
import { ALLOW_EVERYWHERE, parseHttpAllow } from '../../src/config/http-allow.ts';
import { systemClock } from '../../src/time/clock.ts';
import type { Holding } from '../../src/lease/holding.ts';

/** The witnesses of tests are on this machine. */
const httpAllow = parseHttpAllow(ALLOW_EVERYWHERE).entries;

/** A holding that is trusted for ever. */
export function holdingOf(instanceId: string, token: number): Holding {
  return {
    instanceId,
    token,
    signal: new AbortController().signal,
    ended: false,
    onEnd: () => () => undefined,
    trusted: () => true,
  };
}

/**
 * What a holder runs in, without the rest of its replica: the product's own parts on the given log.
 */
export function holderContext(
  replicaId: string,
  log: Log,
  handlers: EffectRunnerOptions['handlers'] = {},
): RunContext {
  const logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
  };
  const leases: Leases = {
    replicaId,
    holding: () => undefined,
    acquire: () => Promise.resolve({ kind: 'unavailable', why: 'not asked for' }),
    takeOver: () => Promise.resolve({ kind: 'unavailable', why: 'not asked for' }),
    release: () => Promise.resolve(),
    releaseAll: () => Promise.resolve(),
    supersede: () => undefined,
    pin: () => () => undefined,
    replicas: () => [],
    registered: () => [],
    secrets: () => [],
    hint: () => undefined,
    look: () => Promise.resolve('unavailable'),
    onVanished: () => () => undefined,
    // The other holder is there all the time.
    confirmGone: () => Promise.resolve('registered'),
    stepDown: () => Promise.resolve(),
    notLeading: () => undefined,
  };
  return {
    log,
    leases,
    effects: createEffectRunner({ clock: systemClock, handlers, httpAllow }),
    clock: systemClock,
    attempts: new Attempts(() => leases),
    receipts: new RecentReceipts(),
    projections: new LateProjections(systemClock, log, () => undefined),
    failpoint: undefined,
    logger,
    count: () => undefined,
    askPeer: () => Promise.resolve('runs'),
    announce: () => undefined,
    askToSettle: () => undefined,
    goOn: () => undefined,
    cancelChildren: () => undefined,
    logTrouble: () => undefined,
    crash: (cause) => {
      throw cause;
    },
    draining: new AbortController().signal,
    abort: new AbortController().signal,
    appendPatienceMs: 2_000,
    appendSuspectMs: 1_000,
    stepDownAfterMs: 5_000,
  };
}
