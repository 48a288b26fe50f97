import { setMaxListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { errorText } from '../../src/error-text.ts';
import { pushRunbooks } from '../log-access/log-setup.ts';
import { packageRoot } from '../stack/cache-dir.ts';
import { Assault } from './assault.ts';
import type { ChaosEvent, Tally } from './events.ts';
import { FailoverMeter } from './failover.ts';
import { commandOf } from './options.ts';
import type { ChaosOptions } from './options.ts';
import { chaosRunbooks } from './runbooks.ts';
import { Random } from './random.ts';
import type { ChaosRecord, Phase, ReplicaLife } from './record.ts';
import { Reckoning } from './reckoning.ts';
import { planFaults } from './schedule.ts';
import type { Schedule } from './schedule.ts';
import { settle } from './settling.ts';
import { setStage } from './stage.ts';
import type { Stage } from './stage.ts';
import { ToldLedger } from './told.ts';
import { sleep, Workload } from './workload.ts';

/** What a run needs of whoever called it. */
export interface ChaosHooks {
  tell: (event: ChaosEvent) => void;
  /** Ends the faults; the run settles, and reports what there is. */
  stop: AbortSignal;
  /** Ends the settling, too. */
  hurry: AbortSignal;
}

/** The stack could not be brought up, or was not there. */
export class NoStack extends Error {
  override readonly name = 'NoStack';
}

const TICK_MS = 1_000;
const SETTLE_MIN_MS = 60_000;
const QUIET_MS = 1_000;

/**
 * One run: brings the stack up, sets agents to work, makes the faults of the schedule happen,
 * settles, and compares what the log says with what the witness saw and what agents were told.
 *
 * @throws NoStack
 */
export async function runChaos(options: ChaosOptions, hooks: ChaosHooks): Promise<ChaosRecord> {
  const run = new Run(options, hooks);
  return run.go();
}

class Run {
  readonly #options: ChaosOptions;
  readonly #hooks: ChaosHooks;
  readonly #ledger = new ToldLedger();
  readonly #lives: ReplicaLife[] = [];
  readonly #phases: Phase[] = [];
  readonly #random: Random;
  /** When the first phase began, by the monotonic clock and by the wall. */
  #originMs = performance.now();
  #startedAt = new Date();

  constructor(options: ChaosOptions, hooks: ChaosHooks) {
    this.#options = options;
    this.#hooks = hooks;
    // Not the schedule's: what agents draw depends on what they are answered.
    this.#random = new Random(options.seed ^ 0x5eed);
  }

  async go(): Promise<ChaosRecord> {
    const { tell, stop, hurry } = this.#hooks;
    // Everything that waits listens to them.
    setMaxListeners(0, stop, hurry);
    const stage = await setStage(this.#options, {
      stop,
      nowMs: () => this.#nowMs(),
      onLife: (life) => this.#lives.push(life),
      say: (text) => tell({ kind: 'note', text }),
    }).catch((cause: unknown) => {
      throw noStack(cause);
    });
    try {
      return await this.#play(stage);
    } finally {
      await stage.stop();
    }
  }

  async #play(stage: Stage): Promise<ChaosRecord> {
    const { leaseTtlS, seed, durationMs, replicas, mix } = this.#options;
    const { tell, stop, hurry } = this.#hooks;
    const ttlMs = leaseTtlS * 1_000;
    const workload = await this.#connect(stage).catch((cause: unknown) => {
      throw noStack(cause);
    });
    const schedule = planFaults({ seed, durationMs, ttlMs, replicas, mix });
    const meter = new FailoverMeter(workload, this.#random.fork(), ttlMs);
    const hook = { nowMs: () => this.#nowMs(), tell, stop };
    const assault = new Assault(stage, meter, hook);
    this.#originMs = performance.now();
    this.#startedAt = new Date();
    // Replicas that were there from the beginning lived before it, too.
    for (const life of this.#lives) life.fromMs = 0;
    const ticking = setInterval(() => this.#tick(workload, assault), TICK_MS);
    try {
      workload.begin();
      await this.#phasesOf(schedule, assault);
      const brokenOff = stop.aborted;
      const fromMs = this.#nowMs();
      this.#phases.push({ kind: 'settling', fromMs, toMs: fromMs });
      tell({ kind: 'phase', phase: 'settling', atMs: fromMs, faults: 0 });
      await workload.end();
      await stage.heal();
      const deadlineMs =
        performance.now() + Math.max(SETTLE_MIN_MS, 15 * ttlMs) + 50 * workload.instances.all.size;
      const stuck = await settle(workload, this.#random.fork(), {
        deadlineMs,
        stop: hurry,
        progress: (left) => tell({ kind: 'settling', left }),
      });
      // Late outcomes may still be on their way.
      await sleep(QUIET_MS, hurry);
      this.#endPhase();
      await workload.close();
      clearInterval(ticking);
      await stage.stopReplicas(!hurry.aborted);
      const reckoning = new Reckoning({
        stage,
        workload,
        ledger: this.#ledger,
        meter,
        lives: this.#lives,
        tell,
        prefix: this.#prefix,
        startedAtMs: this.#startedAt.getTime(),
        settled: !hurry.aborted,
      });
      const reckoned = await reckoning.run();
      return {
        format: 1,
        seed,
        command: commandOf(this.#options),
        startedAt: this.#startedAt.toISOString(),
        durationMs: Math.round(this.#nowMs()),
        leaseTtlMs: ttlMs,
        phases: this.#phases,
        replicas: this.#lives,
        faults: assault.records.sort((a, b) => a.id - b.id),
        ...reckoned.of(stuck.length, brokenOff, { leasehold: ownVersion(), node: process.version }),
      };
    } finally {
      clearInterval(ticking);
      await workload.end();
      await workload.close();
    }
  }

  async #phasesOf(schedule: Schedule, assault: Assault): Promise<void> {
    const { tell, stop } = this.#hooks;
    for (const { kind, toMs } of schedule.phases) {
      if (stop.aborted) return;
      const faults = schedule.faults.filter(({ phase }) => phase === kind);
      const fromMs = this.#nowMs();
      this.#phases.push({ kind, fromMs, toMs });
      tell({ kind: 'phase', phase: kind, atMs: fromMs, faults: faults.length });
      await assault.run(faults);
      await sleep(toMs - this.#nowMs(), stop);
      this.#endPhase();
    }
  }

  #endPhase(): void {
    const phase = this.#phases.at(-1);
    if (phase !== undefined) phase.toMs = this.#nowMs();
  }

  async #connect(stage: Stage): Promise<Workload> {
    const { agents, instances, leaseTtlS } = this.#options;
    const documents = chaosRunbooks()
      .filter(({ needsOwn }) => stage.own || !needsOwn)
      .map(({ document }) => document);
    await pushRunbooks(stage.databaseUrl, stage.namespace, documents);
    return Workload.connect({
      namespace: stage.namespace,
      natsUrls: stage.natsUrls,
      agents,
      instances,
      own: stage.own,
      prefix: this.#prefix,
      witnessUrl: stage.witness.url,
      ttlMs: leaseTtlS * 1_000,
      random: this.#random.fork(),
      ledger: this.#ledger,
    });
  }

  /** A stack that already runs may have seen the same seed before. */
  get #prefix(): string {
    const { attach, seed } = this.#options;
    return attach === undefined ? `c${seed}` : `chaos-${seed}-${this.#nonce}`;
  }

  readonly #nonce = Math.random().toString(36).slice(2, 8);

  #tick(workload: Workload, assault: Assault): void {
    const { requests, acknowledged, unanswered, decisions } = this.#ledger;
    const skipped = assault.records.filter((fault) => fault.skipped !== undefined).length;
    const counts: Tally = {
      requests,
      acknowledged,
      unanswered,
      decisions,
      skipped,
      faults: assault.records.length - skipped + assault.active.size,
      instances: workload.instances.all.size,
      underWay: workload.instances.live.length,
      active: [...assault.active.values()],
    };
    const phase = this.#phases.at(-1)?.kind ?? 'warm_up';
    const totalMs = this.#options.durationMs;
    this.#hooks.tell({ kind: 'tick', phase, atMs: this.#nowMs(), totalMs, counts });
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
