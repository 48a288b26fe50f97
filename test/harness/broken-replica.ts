import { randomBytes } from 'node:crypto';
import { once } from 'node:events';

import { pino } from 'pino';

import { loadHandlers } from '../../advancer/cells/handlers.ts';
import type { EffectRunner } from '../../advancer/cells/cells.ts';
import { createEffectRunner } from '../../advancer/cells/runner.ts';
import type { Log } from '../../advancer/log/log.ts';
import { openLog } from '../../advancer/log/postgres-log.ts';
import { Replica, type LeasesLifecycle } from '../../advancer/replica.ts';
import { SecretStore } from '../../advancer/secrets/secret-store.ts';
import type { Secrets } from '../../advancer/secrets/secrets.ts';
import { Coordinator } from '../../coordinator/coordinator.ts';
import { etcdStore } from '../../coordinator/etcd/store.ts';
import { connectBus } from '../../src/bus/nats.ts';
import { subjects } from '../../src/bus/subjects.ts';
import { systemClock } from '../../src/time/clock.ts';
import { etcdConnection, readConfig } from '../../src/config/config.ts';
import {
  withoutCancelled,
  withoutHappened,
  withoutIntent,
  withoutRedaction,
  withoutReceipts,
  withoutReverse,
  withoutTokens,
  withoutTrustWindow,
  withoutUndo,
  withoutUnknown,
  withoutWaiting,
  type Wrapper,
} from './controls.ts';

/*
 * A replica process of the real parts, wired as in advancer/main.ts, but with one rule switched
 * off: the one named by its only argument. Like a replica, it prints one line once it is ready.
 */

/** Which rule is switched off. */
export type Control =
  | 'intent'
  | 'tokens'
  | 'trust'
  | 'receipts_redaction'
  | 'unknown'
  | 'happened'
  | 'redaction'
  | 'cancelled_reverse'
  | 'undo_waits_redaction';

interface Wrappers {
  log?: Wrapper<Log>;
  leases?: Wrapper<LeasesLifecycle>;
  effects?: Wrapper<EffectRunner>;
  secrets?: Wrapper<Secrets>;
}

const BROKEN: Record<Control, Wrappers> = {
  intent: { log: withoutIntent },
  // The trust window comes before the token check: with it, a superseded holder rarely gets to
  // write at all.
  tokens: { log: withoutTokens, leases: withoutTrustWindow },
  trust: { leases: withoutTrustWindow },
  // Here and below, rules that have nothing to do with each other: one run shows all of them.
  receipts_redaction: { log: withoutReceipts, secrets: withoutRedaction },
  unknown: { effects: withoutUnknown },
  happened: { effects: withoutHappened },
  redaction: { secrets: withoutRedaction },
  cancelled_reverse: { log: (log) => withoutReverse(withoutCancelled(log)) },
  undo_waits_redaction: {
    effects: withoutUndo,
    log: withoutWaiting,
    secrets: withoutRedaction,
  },
};

const {
  log: wrapLog,
  leases: wrapLeases,
  effects: wrapEffects,
  secrets: wrapSecrets,
} = BROKEN[process.argv[2] as Control];

const config = readConfig(process.env);
const { namespace, leaseTtlS } = config;
const replicaId = `${config.replicaName}-${randomBytes(4).toString('hex')}`;
const logger = pino(
  { level: config.logLevel, base: { replicaId } },
  pino.destination({ dest: 2, sync: true }),
);
const secrets = new SecretStore(config.secrets, systemClock);
const handlers = config.handlers === undefined ? {} : await loadHandlers(config.handlers);
const log = openLog({ url: config.databaseUrl, replicaId, namespace });
const store = etcdStore({ ...etcdConnection(config.etcd), callTimeoutMs: leaseTtlS * 300 });
const bus = await connectBus({
  ...config.nats,
  name: `leasehold ${replicaId}`,
  waitOnFirstConnect: true,
  signal: new AbortController().signal,
  onWarning: (message, cause) => logger.warn({ err: cause }, message),
});
const effects = createEffectRunner({
  clock: systemClock,
  handlers,
  httpAllow: config.httpAllow,
  secrets: wrapSecrets?.(secrets) ?? secrets,
  logger,
  limits: { graceMs: 1_000 },
});
const replica = new Replica({
  log: wrapLog?.(log) ?? log,
  pages: log.pages,
  bus,
  subjects: subjects(namespace),
  effects: wrapEffects?.(effects) ?? effects,
  clock: systemClock,
  logger,
  count: () => undefined,
  failpoint: undefined,
  ttlMs: leaseTtlS * 1_000,
  drainMs: 8_000,
  coordinator(gate) {
    const coordinator = new Coordinator({
      store,
      clock: systemClock,
      namespace,
      replicaId,
      name: config.replicaName,
      pid: process.pid,
      httpUrl: '',
      effectSecrets: secrets,
      ttlS: leaseTtlS,
      gate,
      idleReleaseMs: config.idleReleaseMs,
      maxHoldings: config.maxHoldings,
      logger,
      random: Math.random,
    });
    return wrapLeases?.(coordinator) ?? coordinator;
  },
  crash(cause) {
    logger.fatal({ err: cause }, 'an invariant is broken');
    process.exit(70);
  },
});
await log.check();
await replica.start();
while (replica.notReady().length > 0) await systemClock.sleep(50);
process.stdout.write(
  `${JSON.stringify({ ready: true, replicaId, pid: process.pid, httpUrl: '' })}\n`,
);
await once(process, 'SIGTERM');
await replica.drain();
process.exit(0);
