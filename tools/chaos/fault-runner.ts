import type { ChaosEvent } from './events.ts';
import type { FailoverMeter } from './failover-meter.ts';
import type { PreparedFault, SkippedFault } from './fault-injector.ts';
import { faultKind } from './faults.ts';
import type { FaultRecord } from './record.ts';
import { LEAD_MS } from './schedule.ts';
import type { PlannedFault } from './schedule.ts';
import { sleep } from './sleep.ts';
import type { SystemUnderTest } from './system-under-test.ts';

/** What a fault runner works with. */
export interface FaultRunnerOptions {
  system: SystemUnderTest;
  meter: FailoverMeter;
  nowMs: () => number;
  onEvent: (event: ChaosEvent) => void;
  /** Ends faults early, and starts no more. */
  stop: AbortSignal;
}

/** Makes the faults of a schedule at their times, and records each. */
export class FaultRunner {
  readonly records: FaultRecord[] = [];
  /** Descriptions of the faults that are active, by id. */
  readonly active = new Map<number, string>();
  readonly #options: FaultRunnerOptions;

  constructor(options: FaultRunnerOptions) {
    this.#options = options;
  }

  /** Resolves when the last of these faults is over and its target works again. */
  async run(faults: readonly PlannedFault[]): Promise<void> {
    const { nowMs, stop } = this.#options;
    const underWay: Promise<void>[] = [];
    for (const fault of faults) {
      const isolated = fault.phase === 'isolated';
      await sleep(fault.atMs - (isolated ? LEAD_MS : 0) - nowMs(), stop);
      if (stop.aborted) break;
      const made = this.#make(fault, isolated);
      if (isolated) await made;
      else underWay.push(made);
    }
    await Promise.all(underWay);
  }

  async #make(fault: PlannedFault, isolated: boolean): Promise<void> {
    const { system, meter, nowMs, onEvent, stop } = this.#options;
    const prepared = await system.prepare(fault);
    if ('skipped' in prepared) {
      this.#skip(fault, prepared);
      return;
    }
    const victimless = prepared.victim === undefined;
    const measures = isolated && system.own;
    const instances = measures ? await meter.prepare(prepared.victim?.replicaId) : [];
    await sleep(fault.atMs - nowMs(), stop);
    if (stop.aborted) return;

    let measuring: Promise<void> | undefined;
    let over = (): void => undefined;
    const isOver = new Promise<void>((resolve) => {
      over = resolve;
    });
    const record = recordOf(fault, prepared, nowMs(), nowMs() + fault.durationMs);
    const onStart = (): void => {
      record.fromMs = nowMs();
      this.active.set(fault.id, `${fault.kind} ${prepared.target}`);
      onEvent({ kind: 'fault', state: 'struck', fault: { ...record } });
      // Delays and resets, for example, leave the holder in place: there is no failover to measure.
      if (instances.length > 0 && (victimless || hasBound(fault.kind))) {
        measuring = meter.measure(instances, fault, victimless, isOver);
      }
    };
    try {
      await prepared.inject(onStart, () => {
        record.toMs = nowMs();
      });
    } finally {
      this.active.delete(fault.id);
      over();
    }
    this.records.push(record);
    onEvent({ kind: 'fault', state: 'over', fault: record });
    await measuring;
  }

  #skip(fault: PlannedFault, skipped: SkippedFault): void {
    const nowMs = this.#options.nowMs();
    const record = recordOf(fault, skipped, nowMs, nowMs);
    this.records.push(record);
    this.#options.onEvent({ kind: 'fault', state: 'skipped', fault: record });
  }
}

function hasBound(kind: string): boolean {
  const { idle, open } = faultKind(kind).bound(1);
  return idle !== null || open !== null;
}

function recordOf(
  { id, kind, phase, replica }: PlannedFault,
  outcome: PreparedFault | SkippedFault,
  fromMs: number,
  toMs: number,
): FaultRecord {
  if ('skipped' in outcome) {
    const target = `replica ${replica + 1}`;
    return { id, kind, target, phase, fromMs, toMs, skipped: outcome.skipped };
  }
  return { id, kind, target: outcome.target, phase, fromMs, toMs };
}
