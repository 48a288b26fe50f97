import type { ChaosEvent } from './events.ts';
import type { FailoverMeter } from './failover.ts';
import { faultKind } from './faults.ts';
import { faultRecord } from './injector.ts';
import type { FaultRecord } from './record.ts';
import { LEAD_MS } from './schedule.ts';
import type { PlannedFault } from './schedule.ts';
import type { Stage } from './stage.ts';
import { sleep } from './workload.ts';

/** Makes the faults of a schedule happen at their times, and keeps what became of each. */
export class Assault {
  readonly records: FaultRecord[] = [];
  /** Faults that are on. */
  readonly active = new Map<number, string>();
  readonly #stage: Stage;
  readonly #meter: FailoverMeter;
  readonly #nowMs: () => number;
  readonly #tell: (event: ChaosEvent) => void;
  readonly #stop: AbortSignal;

  constructor(
    stage: Stage,
    meter: FailoverMeter,
    hooks: { nowMs: () => number; tell: (event: ChaosEvent) => void; stop: AbortSignal },
  ) {
    this.#stage = stage;
    this.#meter = meter;
    this.#nowMs = hooks.nowMs;
    this.#tell = hooks.tell;
    this.#stop = hooks.stop;
  }

  /** Resolves when the last of these faults is over, and what it struck is itself again. */
  async run(faults: readonly PlannedFault[]): Promise<void> {
    const under: Promise<void>[] = [];
    for (const fault of faults) {
      const isolated = fault.phase === 'isolated';
      await sleep(fault.atMs - (isolated ? LEAD_MS : 0) - this.#nowMs(), this.#stop);
      if (this.#stop.aborted) break;
      const work = this.#make(fault, isolated);
      if (isolated) await work;
      else under.push(work);
    }
    await Promise.all(under);
  }

  async #make(fault: PlannedFault, isolated: boolean): Promise<void> {
    const aim = await this.#stage.aim(fault);
    if ('skipped' in aim) {
      this.#skip(fault, aim.skipped);
      return;
    }
    const victimless = aim.victim === undefined;
    const victim = aim.victim?.replicaId;
    const measured = isolated && this.#stage.own;
    const stakes = measured ? await this.#meter.prepare(victim) : [];
    await sleep(fault.atMs - this.#nowMs(), this.#stop);
    if (this.#stop.aborted) return;

    let measuring: Promise<void> | undefined;
    let over = (): void => undefined;
    const isOver = new Promise<void>((resolve) => {
      over = resolve;
    });
    const record = faultRecord(fault, aim, {
      fromMs: this.#nowMs(),
      toMs: this.#nowMs() + fault.durationMs,
    });
    const struck = (): void => {
      record.fromMs = this.#nowMs();
      this.active.set(fault.id, `${fault.kind} ${aim.target}`);
      this.#tell({ kind: 'fault', state: 'struck', fault: { ...record } });
      // Delays, resets and the like leave the holder in office: there is nothing to measure.
      if (stakes.length > 0 && (victimless || promises(fault.kind))) {
        measuring = this.#meter.measure(stakes, fault, victimless, isOver);
      }
    };
    try {
      await aim.strike(struck, () => {
        record.toMs = this.#nowMs();
      });
    } finally {
      this.active.delete(fault.id);
      over();
    }
    this.records.push(record);
    this.#tell({ kind: 'fault', state: 'over', fault: record });
    await measuring;
  }

  #skip(fault: PlannedFault, why: string): void {
    const nowMs = this.#nowMs();
    const record = faultRecord(fault, { skipped: why }, { fromMs: nowMs, toMs: nowMs });
    this.records.push(record);
    this.#tell({ kind: 'fault', state: 'skipped', fault: record });
  }
}

function promises(kind: string): boolean {
  const { idle, open } = faultKind(kind).bound(1);
  return idle !== null || open !== null;
}
