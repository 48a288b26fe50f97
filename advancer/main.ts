import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';

import type { Logger as PinoLogger } from 'pino';

import { Coordinator } from '../coordinator/coordinator.ts';
import { etcdStore } from '../coordinator/etcd/store.ts';
import { connectBus } from '../src/bus/nats.ts';
import { subjects } from '../src/bus/subjects.ts';
import { systemClock } from '../src/time/clock.ts';
import { ConfigError, etcdConnection, readConfig, type Config } from '../src/config/config.ts';
import type { Handler } from './cells/cells.ts';
import { commandUserProblem } from './cells/command-user.ts';
import { createEffectRunner } from './cells/runner.ts';
import { loadHandlers } from './cells/handlers.ts';
import { temporaryDirectoryProblem } from './cells/temporary-directory.ts';
import { createMetrics } from './http/metrics.ts';
import { startHttpServer } from './http/server.ts';
import { parseFailpoints, type Failpoint } from './failpoints.ts';
import { initWarning } from './init-process.ts';
import { createLogger } from './logging.ts';
import { openLog } from './log/postgres-log.ts';
import type { ReadinessCheck } from './readiness.ts';
import { Replica } from './replica.ts';
import { SecretStore } from './secrets/secret-store.ts';
import { checksWithoutBus, untilLogUsable, untilReady } from './starting.ts';

/** How `leasehold advancer` was called. */
export interface AdvancerOptions {
  /** Print one line of JSON on stdout once ready. */
  json: boolean;
}

/**
 * Runs one advancer replica until SIGTERM or SIGINT. This is the composition root: it reads the
 * environment, wires the replica, and starts and stops everything in order. Logs go to stderr.
 *
 * @returns the exit code: 0 after a drain
 * @throws ConfigError when the environment is not usable
 */
export async function runAdvancer(
  env: NodeJS.ProcessEnv,
  options: AdvancerOptions,
): Promise<number> {
  let config: Config;
  let failpoint: Failpoint | undefined;
  let handlers: Record<string, Handler>;
  try {
    config = readConfig(env);
    const { commandUser } = config;
    const problem = commandUser === undefined ? undefined : commandUserProblem(commandUser);
    if (problem !== undefined) throw new ConfigError([problem]);
    failpoint = failpointsOf(config);
    handlers = config.handlers === undefined ? {} : await loadHandlers(config.handlers);
  } catch (cause) {
    if (!(cause instanceof Error && cause.message.startsWith('LEASEHOLD_'))) throw cause;
    throw cause instanceof ConfigError ? cause : new ConfigError([cause.message]);
  }
  const replicaId = `${config.replicaName}-${randomBytes(4).toString('hex')}`;
  const secrets = new SecretStore(config.secrets, systemClock);
  const terminal = process.stderr.isTTY;
  const logger = await createLogger({
    level: config.logLevel,
    format: config.logFormat ?? (terminal ? 'pretty' : 'json'),
    replicaId,
    color: terminal && process.stderr.hasColors(),
    redaction: () => secrets.redaction(),
  });
  const asInit = initWarning(process.pid);
  if (asInit !== undefined) logger.warn(asInit);
  for (const warning of config.warnings) logger.warn(warning);
  if (failpoint !== undefined)
    logger.warn(
      { failpoints: config.failpoints },
      'failpoints are set: this replica will fail on purpose',
    );

  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    logger.info({ signal }, 'stopping');
    stop.abort(signal);
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  const unfollow = secrets.follow(logger);
  try {
    await serve(config, {
      replicaId,
      secrets,
      logger,
      failpoint,
      handlers,
      json: options.json,
      stop: stop.signal,
    });
    return 0;
  } finally {
    unfollow();
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
  }
}

interface ServeOptions {
  replicaId: string;
  secrets: SecretStore;
  logger: PinoLogger;
  failpoint: Failpoint | undefined;
  handlers: Record<string, Handler>;
  json: boolean;
  stop: AbortSignal;
}

async function serve(config: Config, options: ServeOptions): Promise<void> {
  const { replicaId, secrets, logger, failpoint, handlers, stop } = options;
  const { namespace } = config;
  const metrics = createMetrics();
  const log = openLog({
    url: config.databaseUrl,
    replicaId,
    namespace,
    onWarning: (text) => logger.warn(text),
  });
  const store = etcdStore({
    ...etcdConnection(config.etcd),
    onWarning: (message) => logger.warn(message),
    callTimeoutMs: Math.min(1_000, config.leaseTtlS * 300),
  });
  let logNotOpen: string | undefined = 'not asked yet';
  let checks = (): ReadinessCheck[] => checksWithoutBus(logNotOpen);
  // First of all, so that a platform sees a process that waits for NATS as live, and why it waits.
  const http = await startHttpServer({
    host: config.httpHost,
    port: config.httpPort,
    replicaId,
    metrics,
    checks: () => checks(),
  });
  const httpUrl = http.url;
  const bus = await connectBus({
    ...config.nats,
    name: `leasehold ${replicaId}`,
    waitOnFirstConnect: true,
    signal: stop,
    onWarning: (message, cause) => logger.warn({ err: cause }, message),
    onRefusedReply: () => metrics.count({ what: 'refused_reply' }),
  }).catch(async (cause: unknown) => {
    await Promise.allSettled([log.close(), http.close()]);
    store.close();
    if (!stop.aborted) throw cause;
  });
  if (bus === undefined) return;
  const replica = new Replica({
    log,
    pages: log.pages,
    bus,
    subjects: subjects(namespace),
    stream: bus.requestStream(subjects(namespace), config.streams),
    effects: createEffectRunner({
      clock: systemClock,
      handlers,
      httpAllow: config.httpAllow,
      commandEnv: config.commandEnv,
      commandUser: config.commandUser,
      secrets,
      logger,
      failpoint,
      // A command that ignores its signal must be gone, and its row written, within the last
      // seconds of a drain.
      limits: { graceMs: 1_000 },
    }),
    clock: systemClock,
    logger,
    count: metrics.count,
    failpoint,
    ttlMs: config.leaseTtlS * 1_000,
    agentIds: config.agentIds,
    needs: [
      { name: 'temporary directory', problem: () => temporaryDirectoryProblem(config.commandUser) },
    ],
    drainMs: config.drainS * 1_000,
    limits: config.limits,
    coordinator: (gate) =>
      new Coordinator({
        store,
        clock: systemClock,
        namespace,
        replicaId,
        name: config.replicaName,
        pid: process.pid,
        httpUrl: () => httpUrl,
        handlers: Object.keys(handlers).sort(),
        effectSecrets: secrets,
        ttlS: config.leaseTtlS,
        gate,
        idleReleaseMs: config.idleReleaseMs,
        maxHoldings: config.maxHoldings,
        logger,
        // At the end of a turn of the event loop, so that one call serves the whole turn.
        defer: setImmediate,
        random: Math.random,
      }),
    crash(cause) {
      logger.fatal(
        { err: cause },
        'broken invariant; exiting so that other replicas recover the instances',
      );
      process.exit(70);
    },
  });
  metrics.observe({
    held: () => replica.heldCount,
    leases: () => replica.leases.held,
    attempts: () => replica.attempts.all().length,
    remembered: () => replica.router.remembered,
    messageBytes: () => replica.queryTurns.bytes,
    waitingQueries: () => replica.queryTurns.waiting,
    backlog: () => replica.backlog,
    ready: () => replica.notReady().length === 0,
  });
  checks = () => replica.checks(logNotOpen);
  try {
    await untilLogUsable({
      open: () => log.open(config.databaseRole),
      stop,
      logger,
      notOpen: (why) => (logNotOpen = why),
    });
    if (stop.aborted) return;
    await replica.start();
    await untilReady(replica, stop, logger);
    if (!stop.aborted) {
      logger.info({ httpUrl }, 'ready');
      if (options.json) {
        process.stdout.write(
          `${JSON.stringify({ ready: true, replicaId, pid: process.pid, httpUrl })}\n`,
        );
      }
    }
    await aborted(stop);
    const drainingMs = performance.now();
    logger.info({ held: replica.leases.held, drainS: config.drainS }, 'draining');
    const { aborted: attempts } = await replica.drain();
    logger.info(
      { aborted: attempts, forMs: Math.round(performance.now() - drainingMs) },
      'drained',
    );
  } finally {
    await Promise.allSettled([bus.close(), log.close(), http.close()]);
    store.close();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function failpointsOf(config: Config): Failpoint | undefined {
  if (config.failpoints === undefined) return undefined;
  return parseFailpoints(config.failpoints, config.replicaName, {
    report: (line) => void writeSync(2, `${line}\n`),
    kill: () => process.kill(process.pid, 'SIGKILL'),
    freeze: () => process.kill(process.pid, 'SIGSTOP'),
    exit: () => process.exit(1),
    sleep: (ms) => systemClock.sleep(ms),
  });
}
