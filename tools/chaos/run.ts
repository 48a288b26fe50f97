import { setMaxListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { errorText } from '../../src/error-text.ts';
import { pushRunbooks } from '../log-access/log-setup.ts';
import { packageRoot } from '../stack/cache-dir.ts';
import { AttachedStack } from './attached-stack.ts';
import { ClientHistory } from './client-history.ts';
import { Evaluation } from './evaluation.ts';
import type { ChaosEvent, RunningCounts } from './events.ts';
import { FailoverMeter } from './failover-meter.ts';
import { FaultRunner } from './fault-runner.ts';
import { HONEST_INBOX } from './hostile/hostile.ts';
import { commandOf } from './options.ts';
import type { ChaosOptions } from './options.ts';
import { Random } from './random.ts';
import type { ChaosRecord, Phase, ReplicaProcess } from './record.ts';
import { chaosRunbooks } from './runbooks.ts';
import { planFaults } from './schedule.ts';
import type { Schedule } from './schedule.ts';
import { SecretSearch } from './secret-search.ts';
import { settle } from './settling.ts';
import { sleep } from './sleep.ts';
import { Stack } from './stack.ts';
import type { SystemUnderTest } from './system-under-test.ts';
import { Workload } from './workload.ts';

/** How a caller follows and stops a run. */
export interface ChaosHooks {
  onEvent: (event: ChaosEvent) => void;
  /** Ends the faults; the run still settles, and reports what there is. */
  stop: AbortSignal;
  /** Ends settling, too. */
  force: AbortSignal;
}

/** The stack did not start, or the stack to attach to is not there. */
class NoStack extends Error {
  override readonly name = 'NoStack';
}

const TICK_MS = 1_000;
const SETTLE_MIN_MS = 60_000;
/** After settling: time for late outcomes to arrive. */
const LATE_OUTCOMES_MS = 1_000;

/**
 * Runs chaos: starts the stack, sets agents to work, makes the faults of the schedule, settles, and
 * checks the log against what the witness saw and what agents were answered.
 *
 * @throws NoStack
 */
export async function runChaos(options: ChaosOptions, hooks: ChaosHooks): Promise<ChaosRecord> {
  return new Run(options, hooks).run();
}

class Run {
  readonly #options: ChaosOptions;
  readonly #hooks: ChaosHooks;
  readonly #history = new ClientHistory();
  readonly #processes: ReplicaProcess[] = [];
  readonly #phases: Phase[] = [];
  readonly #random: Random;
  readonly #nonce = Math.random().toString(36).slice(2, 8);
  /** When the first phase began, by the monotonic clock and by the wall clock. */
  #originMs = performance.now();
  #startedAt = new Date();

  constructor(options: ChaosOptions, hooks: ChaosHooks) {
    this.#options = options;
    this.#hooks = hooks;
    // Not the schedule's generator: what agents draw depends on the answers they get.
    this.#random = new Random(options.seed ^ 0x5eed);
  }

  async run(): Promise<ChaosRecord> {
    const { stop, force } = this.#hooks;
    // Every sleep listens to them.
    setMaxListeners(0, stop, force);
    const system = await this.#startSystem().catch((cause: unknown) => {
      throw noStack(cause);
    });
    try {
      return await this.#runOn(system);
    } finally {
      await system.stop();
    }
  }

  #startSystem(): Promise<SystemUnderTest> {
    const { attach, dir } = this.#options;
    const { onEvent, stop } = this.#hooks;
    if (attach !== undefined) return AttachedStack.start({ attach, dir, stop });
    return Stack.start({
      ...this.#options,
      stop,
      nowMs: () => this.#nowMs(),
      onProcess: (process) => this.#processes.push(process),
      say: (text) => onEvent({ kind: 'note', text }),
    });
  }

  async #runOn(system: SystemUnderTest): Promise<ChaosRecord> {
    const { seed, durationMs, replicas, mix } = this.#options;
    const { onEvent, stop, force } = this.#hooks;
    const ttlMs = this.#ttlMs;
    const workload = await this.#connect(system).catch((cause: unknown) => {
      throw noStack(cause);
    });
    const schedule = planFaults({ seed, durationMs, ttlMs, replicas, mix });
    const meter = new FailoverMeter(workload, this.#random.fork(), ttlMs);
    const nowMs = (): number => this.#nowMs();
    const faultRunner = new FaultRunner({ system, meter, nowMs, onEvent, stop });
    const search = new SecretSearch(system);
    await search.begin();
    this.#originMs = performance.now();
    this.#startedAt = new Date();
    // Replicas that started with the stack were there from time zero on.
    for (const process of this.#processes) process.fromMs = 0;
    const ticking = setInterval(() => this.#tick(workload, faultRunner), TICK_MS);
    try {
      workload.begin();
      await this.#beHostile(system);
      await this.#makeFaults(schedule, faultRunner);
      const brokenOff = stop.aborted;
      const stuck = await this.#settle(system, workload);
      await workload.close();
      clearInterval(ticking);
      await search.lookAtReplicas();
      await system.stopReplicas(!force.aborted);
      const evaluation = new Evaluation({
        system,
        workload,
        history: this.#history,
        meter,
        processes: this.#processes,
        onEvent,
        prefix: this.#prefix,
        startedAtMs: this.#startedAt.getTime(),
        settled: !force.aborted,
        stuck,
        brokenOff,
      });
      const { postgresVersion, ...evaluated } = await evaluation.run();
      await search.lookAtRemains();
      const hostile = system.hostile?.counts();
      const record: ChaosRecord = {
        format: 1,
        seed,
        command: commandOf(this.#options),
        startedAt: this.#startedAt.toISOString(),
        durationMs: Math.round(this.#nowMs()),
        leaseTtlMs: ttlMs,
        phases: this.#phases,
        replicas: this.#processes,
        faults: faultRunner.records.sort((a, b) => a.id - b.id),
        ...evaluated,
        latencies: this.#history.latencies,
        ...(hostile !== undefined && {
          hostile: { ...hostile, rate: this.#options.hostileRate ?? null },
        }),
        versions: {
          leasehold: ownVersion(),
          node: process.version,
          ...system.serverVersions,
          postgres: postgresVersion,
        },
      };
      const judged = search.judge(record, workload);
      for (const check of judged.checks.slice(record.checks.length))
        onEvent({ kind: 'check', check });
      return judged;
    } finally {
      clearInterval(ticking);
      await search.end();
      await workload.end();
      await workload.close();
    }
  }

  /** Starts the hostile client that is there throughout, if one is asked for. */
  async #beHostile({ hostile }: SystemUnderTest): Promise<void> {
    const { hostileRate, seed } = this.#options;
    if (hostileRate === undefined || hostile === undefined) return;
    await hostile.start(hostileRate, seed);
    this.#hooks.onEvent({
      kind: 'note',
      text: `a hostile client sends ${hostileRate} messages/s throughout`,
    });
  }

  async #makeFaults(schedule: Schedule, faultRunner: FaultRunner): Promise<void> {
    const { onEvent, stop } = this.#hooks;
    for (const { kind, toMs } of schedule.phases) {
      if (stop.aborted) return;
      const faults = schedule.faults.filter(({ phase }) => phase === kind);
      const fromMs = this.#nowMs();
      this.#phases.push({ kind, fromMs, toMs });
      onEvent({ kind: 'phase', phase: kind, atMs: fromMs, faults: faults.length });
      await faultRunner.run(faults);
      await sleep(toMs - this.#nowMs(), stop);
      this.#endPhase();
    }
  }

  /** @returns how many instances are stuck */
  async #settle(system: SystemUnderTest, workload: Workload): Promise<number> {
    const { onEvent, force } = this.#hooks;
    const fromMs = this.#nowMs();
    this.#phases.push({ kind: 'settling', fromMs, toMs: fromMs });
    onEvent({ kind: 'phase', phase: 'settling', atMs: fromMs, faults: 0 });
    await workload.end();
    await system.heal();
    const allowedMs = Math.max(SETTLE_MIN_MS, 15 * this.#ttlMs) + 50 * workload.instances.all.size;
    const stuck = await settle(workload, this.#random.fork(), {
      deadlineMs: performance.now() + allowedMs,
      stop: force,
      onProgress: (left) => onEvent({ kind: 'settling', left }),
    });
    await sleep(LATE_OUTCOMES_MS, force);
    this.#endPhase();
    return stuck.length;
  }

  #endPhase(): void {
    const phase = this.#phases.at(-1);
    if (phase !== undefined) phase.toMs = this.#nowMs();
  }

  async #connect(system: SystemUnderTest): Promise<Workload> {
    const { agents, instances } = this.#options;
    const documents = chaosRunbooks()
      .filter(({ needsOwn }) => system.own || !needsOwn)
      .map(({ document }) => document);
    await pushRunbooks(system.databaseUrl, system.namespace, documents);
    return Workload.connect({
      namespace: system.namespace,
      nats: {
        ...this.#options.attach?.natsAccess,
        // Where hostile clients may not listen, nor send forged replies.
        ...(system.own && { inboxPrefix: HONEST_INBOX }),
        servers: [...system.natsUrls],
      },
      agents,
      instances,
      own: system.own,
      prefix: this.#prefix,
      witnessUrl: system.witness.url,
      ttlMs: this.#ttlMs,
      random: this.#random.fork(),
      history: this.#history,
    });
  }

  /** Unique for each run on a running stack, which may have seen the same seed before. */
  get #prefix(): string {
    const { attach, seed } = this.#options;
    return attach === undefined ? `c${seed}` : `chaos-${seed}-${this.#nonce}`;
  }

  get #ttlMs(): number {
    return this.#options.leaseTtlS * 1_000;
  }

  #tick(workload: Workload, faultRunner: FaultRunner): void {
    const { requests, acknowledged, unanswered, decisions } = this.#history;
    const skipped = faultRunner.records.filter((fault) => fault.skipped !== undefined).length;
    const counts: RunningCounts = {
      requests,
      acknowledged,
      unanswered,
      decisions,
      skipped,
      faults: faultRunner.records.length - skipped + faultRunner.active.size,
      instances: workload.instances.all.size,
      underWay: workload.instances.live.length,
      active: [...faultRunner.active.values()],
    };
    const phase = this.#phases.at(-1)?.kind ?? 'warm_up';
    const totalMs = this.#options.durationMs;
    this.#hooks.onEvent({ kind: 'tick', phase, atMs: this.#nowMs(), totalMs, counts });
  }

  #nowMs(): number {
    return Math.round(performance.now() - this.#originMs);
  }
}

function noStack(cause: unknown): NoStack {
  return new NoStack(errorText(cause), { cause });
}

function ownVersion(): string {
  const text = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
