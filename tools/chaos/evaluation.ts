import { createWriteStream } from 'node:fs';
import type { WriteStream } from 'node:fs';
import { once } from 'node:events';
import { dirname, join } from 'node:path';

import type { Row } from '../../src/execution/row.ts';
import { Checker, verdictOf } from './checker.ts';
import type { Findings } from './checker.ts';
import type { ClientHistory } from './client-history.ts';
import type { ChaosEvent } from './events.ts';
import type { FailoverMeter } from './failover-meter.ts';
import { readLog } from './log-access.ts';
import type { LogEvidence } from './log-access.ts';
import type { ChaosRecord, Failover, InstanceTimeline, ReplicaProcess } from './record.ts';
import type { SystemUnderTest } from './system-under-test.ts';
import { interest, timelineOf } from './timeline.ts';
import type { WitnessedEffect } from './witness.ts';
import { attributeEffects, readWitnessedEffects } from './witnessed-effects.ts';
import type { Workload } from './workload.ts';

/** Where the evidence of a run is, and how the run ended. */
export interface EvaluationOptions {
  system: SystemUnderTest;
  workload: Workload;
  history: ClientHistory;
  meter: FailoverMeter;
  processes: readonly ReplicaProcess[];
  onEvent: (event: ChaosEvent) => void;
  /** Starts the ids of this run's instances. */
  prefix: string;
  /** The run's time zero, in epoch milliseconds. */
  startedAtMs: number;
  /** Whether settling ran to its end. */
  settled: boolean;
  /** How many instances are stuck. */
  stuck: number;
  /** Whether the run was interrupted before all faults were made. */
  brokenOff: boolean;
}

/** The part of the record that is based on the log. */
export type EvaluationResult = Pick<
  ChaosRecord,
  | 'failovers'
  | 'counts'
  | 'instances'
  | 'refusals'
  | 'lateOutcomes'
  | 'checks'
  | 'breaches'
  | 'verdict'
> &
  Required<Pick<ChaosRecord, 'warnings'>> & { postgresVersion: string };

const SHOWN_MEASURED = 40;
const SHOWN_OTHERS = 40;
const KEPT_REFUSALS = 2_000;
/** Added to an instance's score for each breach, so that breached instances are shown first. */
const BREACH_INTEREST = 1_000;
const PROGRESS_EVERY = 200;
/** How far the clock of a database on another machine may be behind this machine's. */
const CLOCK_SKEW_MS = 600_000;

/**
 * Reads the whole log once, and derives from it the checks, the failover times and the timelines.
 * Also writes `witness.jsonl`: the witness's effects with their attempts, in the format that
 * `leasehold audit --witness` reads.
 */
export class Evaluation {
  readonly #options: EvaluationOptions;
  readonly #failovers: Failover[] = [];
  readonly #refusals: ChaosRecord['refusals'] = [];
  readonly #lateOutcomes: ChaosRecord['lateOutcomes'] = [];
  readonly #measured = new Shortlist(SHOWN_MEASURED);
  readonly #others = new Shortlist(SHOWN_OTHERS);
  readonly #measuredIds: ReadonlySet<string>;

  constructor(options: EvaluationOptions) {
    this.#options = options;
    this.#measuredIds = options.meter.instanceIds;
  }

  async run(): Promise<EvaluationResult> {
    const { system, history, processes, onEvent, prefix, settled } = this.#options;
    const { postgresVersion, instances } = await readLog({
      databaseUrl: system.databaseUrl,
      namespace: system.namespace,
      prefix: `${prefix}-`,
      since: new Date(this.#options.startedAtMs - CLOCK_SKEW_MS).toISOString(),
    });
    const effects = await readWitnessedEffects(system.witness.file);
    const started = this.#startedInstances();
    const checker = new Checker({ effects, history, started, settled });
    const witnessFile = createWriteStream(join(dirname(system.witness.file), 'witness.jsonl'));
    let checked = 0;
    for await (const log of instances) {
      const breaches = checker.check(log);
      const { instanceId, rows } = log.evidence;
      writeEffects(witnessFile, effects.get(instanceId) ?? [], rows);
      this.#collect(log, breaches);
      checked += 1;
      if (checked % PROGRESS_EVERY === 0)
        onEvent({ kind: 'checking', instances: checked, of: started.size });
    }
    witnessFile.end();
    await once(witnessFile, 'finish');
    const findings = checker.finish(processes);
    for (const check of findings.checks) onEvent({ kind: 'check', check });
    return this.#result(findings, postgresVersion);
  }

  #startedInstances(): Set<string> {
    const all = [...this.#options.workload.instances.all.values()];
    return new Set(all.filter(({ started }) => started).map(({ instanceId }) => instanceId));
  }

  #collect(log: LogEvidence, breaches: number): void {
    const { meter, onEvent } = this.#options;
    const { evidence, refusalTimes, refusalReasons, lateTimes } = log;
    const { instanceId } = evidence;
    for (const failover of meter.failoversOf(log)) {
      this.#failovers.push(failover);
      onEvent({ kind: 'failover', failover });
    }
    evidence.refusals.forEach(({ seq, fencingToken, replicaId, kind }, index) => {
      const atMs = this.#atMs(refusalTimes[index] ?? '');
      const reason = refusalReasons[index] ?? '';
      this.#refusals.push({ atMs, instanceId, seq, fencingToken, replicaId, kind, reason });
    });
    evidence.lateOutcomes.forEach(({ cellId, attempt, fencingToken, replicaId, kind }, index) => {
      const atMs = this.#atMs(lateTimes[index] ?? '');
      this.#lateOutcomes.push({ atMs, instanceId, cellId, attempt, fencingToken, replicaId, kind });
    });
    const shortlist = this.#measuredIds.has(instanceId) ? this.#measured : this.#others;
    const score = interest(log) + breaches * BREACH_INTEREST;
    shortlist.offer(score, () => timelineOf(log, (iso) => this.#atMs(iso)));
  }

  #result(findings: Findings, postgresVersion: string): EvaluationResult {
    const { history, stuck, brokenOff } = this.#options;
    const { requests, acknowledged, unanswered, byOutcome, decisions, cancels } = history;
    const { effects, rows, instances, checks, breaches, warnings } = findings;
    return {
      failovers: this.#failovers.sort((a, b) => a.faultId - b.faultId),
      counts: {
        requests,
        acknowledged,
        unanswered,
        byOutcome,
        effects,
        rows,
        instances,
        stuck,
        decisions,
        cancels,
      },
      instances: [...this.#measured.timelines, ...this.#others.timelines],
      refusals: this.#refusals.sort((a, b) => a.atMs - b.atMs).slice(0, KEPT_REFUSALS),
      lateOutcomes: this.#lateOutcomes.sort((a, b) => a.atMs - b.atMs).slice(0, KEPT_REFUSALS),
      checks,
      breaches,
      warnings,
      verdict: verdictOf(breaches, stuck, brokenOff),
      postgresVersion,
    };
  }

  #atMs(iso: string): number {
    return Date.parse(iso) - this.#options.startedAtMs;
  }
}

function writeEffects(
  file: WriteStream,
  effects: readonly WitnessedEffect[],
  rows: readonly Row[],
): void {
  for (const effect of attributeEffects(effects, rows)) file.write(`${JSON.stringify(effect)}\n`);
}

/** The instances with the highest scores among those that were offered. */
class Shortlist {
  readonly #size: number;
  #kept: { score: number; timeline: InstanceTimeline }[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  /** @param timeline called only if the instance is kept */
  offer(score: number, timeline: () => InstanceTimeline): void {
    const lowest = this.#kept.at(-1);
    if (this.#kept.length === this.#size && lowest !== undefined && lowest.score >= score) return;
    this.#kept.push({ score, timeline: timeline() });
    this.#kept.sort((a, b) => b.score - a.score);
    this.#kept.length = Math.min(this.#kept.length, this.#size);
  }

  get timelines(): InstanceTimeline[] {
    return this.#kept.map(({ timeline }) => timeline);
  }
}
