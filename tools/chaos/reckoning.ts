import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { dirname, join } from 'node:path';

import type { ChaosEvent } from './events.ts';
import type { FailoverMeter } from './failover.ts';
import { readLog } from './log-access.ts';
import type { LogEvidence } from './log-access.ts';
import type { ChaosRecord, Failover, InstanceTimeline, ReplicaLife } from './record.ts';
import { attributed, readWitnessed } from './seen-effects.ts';
import type { Stage } from './stage.ts';
import { interest, timelineOf } from './timeline.ts';
import type { ToldLedger } from './told.ts';
import { Comparison, verdictOf } from './verdict.ts';
import type { Findings } from './verdict.ts';
import type { Workload } from './workload.ts';

/** Where all the evidence of a run is. */
export interface ReckoningOptions {
  stage: Stage;
  workload: Workload;
  ledger: ToldLedger;
  meter: FailoverMeter;
  lives: readonly ReplicaLife[];
  tell: (event: ChaosEvent) => void;
  prefix: string;
  /** Epoch milliseconds of the run's zero. */
  startedAtMs: number;
  settled: boolean;
}

const SHOWN_STAKES = 40;
const SHOWN_OTHERS = 40;
const KEPT_REFUSALS = 2_000;
/** Whatever breached is shown first. */
const BREACH_INTEREST = 1_000;
const PROGRESS_EVERY = 200;
/** What a database elsewhere may be behind this machine's clock. */
const SLACK_MS = 600_000;

/** The part of the record that rests on the log. */
type Reckoned = Pick<
  ChaosRecord,
  | 'failovers'
  | 'counts'
  | 'instances'
  | 'refusals'
  | 'lateOutcomes'
  | 'checks'
  | 'breaches'
  | 'verdict'
  | 'versions'
> &
  Required<Pick<ChaosRecord, 'warnings'>>;

/** Reads the whole log once, and draws from it the checks, the failovers and the timelines. */
export class Reckoning {
  readonly #options: ReckoningOptions;
  readonly #failovers: Failover[] = [];
  readonly #refusals: ChaosRecord['refusals'] = [];
  readonly #late: ChaosRecord['lateOutcomes'] = [];
  readonly #stakes = new Shortlist(SHOWN_STAKES);
  readonly #others = new Shortlist(SHOWN_OTHERS);
  #findings: Findings | undefined;
  #postgres = 'unknown';

  constructor(options: ReckoningOptions) {
    this.#options = options;
  }

  /**
   * Also writes `witness.jsonl`: the witness's effects with their attempts, as `leasehold audit
   * --witness` reads them.
   */
  async run(): Promise<this> {
    const { stage, workload, ledger, meter, lives, tell, prefix, settled } = this.#options;
    const since = new Date(this.#options.startedAtMs - SLACK_MS).toISOString();
    const reading = await readLog({
      databaseUrl: stage.databaseUrl,
      namespace: stage.namespace,
      prefix: `${prefix}-`,
      since,
    });
    this.#postgres = reading.postgresVersion;
    const witnessed = await readWitnessed(stage.witness.file);
    const started = new Set(
      [...workload.instances.all.values()]
        .filter((one) => one.started)
        .map(({ instanceId }) => instanceId),
    );
    const comparison = new Comparison({ witnessed, told: ledger, started, settled });
    const stakes = meter.instanceIds;
    const lines = createWriteStream(join(dirname(stage.witness.file), 'witness.jsonl'));
    let looked = 0;
    for await (const log of reading.instances) {
      const breaches = comparison.look(log);
      const { instanceId, rows } = log.evidence;
      for (const effect of attributed(witnessed.get(instanceId) ?? [], rows))
        lines.write(`${JSON.stringify(effect)}\n`);
      for (const failover of meter.failoversOf(log)) {
        this.#failovers.push(failover);
        tell({ kind: 'failover', failover });
      }
      this.#collect(log);
      (stakes.has(instanceId) ? this.#stakes : this.#others).offer(
        log,
        interest(log) + breaches * BREACH_INTEREST,
        (iso) => this.#atMs(iso),
      );
      looked += 1;
      if (looked % PROGRESS_EVERY === 0)
        tell({ kind: 'checking', instances: looked, of: started.size });
    }
    lines.end();
    await once(lines, 'finish');
    this.#findings = comparison.finish(lives);
    for (const check of this.#findings.checks) tell({ kind: 'check', check });
    return this;
  }

  of(
    stuck: number,
    brokenOff: boolean,
    own: Pick<ChaosRecord['versions'], 'leasehold' | 'node'>,
  ): Reckoned {
    const { ledger, stage } = this.#options;
    const findings = this.#findings;
    if (findings === undefined) throw new Error('the log was not read');
    const { requests, acknowledged, unanswered, byOutcome, decisions } = ledger;
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
      },
      instances: [...this.#stakes.timelines, ...this.#others.timelines],
      refusals: this.#refusals.sort((a, b) => a.atMs - b.atMs).slice(0, KEPT_REFUSALS),
      lateOutcomes: this.#late.sort((a, b) => a.atMs - b.atMs).slice(0, KEPT_REFUSALS),
      checks,
      breaches,
      warnings,
      verdict: verdictOf(breaches, stuck, brokenOff),
      versions: { ...own, ...stage.serverVersions, postgres: this.#postgres },
    };
  }

  #collect({ evidence, refusalTimes, refusalReasons, lateTimes }: LogEvidence): void {
    const { instanceId } = evidence;
    evidence.refusals.forEach(({ seq, fencingToken, replicaId, kind }, index) => {
      const atMs = this.#atMs(refusalTimes[index] ?? '');
      const reason = refusalReasons[index] ?? '';
      this.#refusals.push({ atMs, instanceId, seq, fencingToken, replicaId, kind, reason });
    });
    evidence.lateOutcomes.forEach(({ cellId, attempt, fencingToken, replicaId, kind }, index) => {
      const atMs = this.#atMs(lateTimes[index] ?? '');
      this.#late.push({ atMs, instanceId, cellId, attempt, fencingToken, replicaId, kind });
    });
  }

  #atMs(iso: string): number {
    return Date.parse(iso) - this.#options.startedAtMs;
  }
}

/** The most interesting instances of those that were offered. */
class Shortlist {
  readonly #size: number;
  #kept: { interest: number; timeline: InstanceTimeline }[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  offer(log: LogEvidence, worth: number, atMs: (iso: string) => number): void {
    const least = this.#kept.at(-1);
    if (this.#kept.length === this.#size && least !== undefined && least.interest >= worth) return;
    this.#kept.push({ interest: worth, timeline: timelineOf(log, atMs) });
    this.#kept.sort((a, b) => b.interest - a.interest);
    this.#kept.length = Math.min(this.#kept.length, this.#size);
  }

  get timelines(): InstanceTimeline[] {
    return this.#kept.map(({ timeline }) => timeline);
  }
}
