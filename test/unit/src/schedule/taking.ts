import { planTicks, type CatchUp, type PlannedTick } from '../../../../src/schedule/plan.ts';
import type { Timing } from '../../../../src/schedule/timing.ts';

/** A schedule whose ticks are taken in virtual time, as a replica takes them. */
export class Taking {
  readonly taken: PlannedTick[] = [];
  afterMs: number;
  /** How often a plan asked to be looked at again at once. */
  batches = 0;
  readonly #schedule: { timing: Timing; catchUp: CatchUp; jitterMs: number };

  constructor(
    timing: Timing,
    sinceMs: number,
    more: { catchUp?: CatchUp; jitterMs?: number } = {},
  ) {
    this.afterMs = sinceMs;
    this.#schedule = { timing, catchUp: 'last', jitterMs: 0, ...more };
  }

  /** Looks at the schedule at a moment, until nothing more is due. Returns when it is due again. */
  lookAt(nowMs: number): number | undefined {
    for (;;) {
      const plan = planTicks({ scheduleId: 's', ...this.#schedule, afterMs: this.afterMs, nowMs });
      this.taken.push(...plan.ticks);
      this.afterMs = plan.ticks.at(-1)?.tickMs ?? this.afterMs;
      if (plan.nextAtMs === undefined || plan.nextAtMs > nowMs) return plan.nextAtMs;
      this.batches += 1;
    }
  }

  /** The ticks that started an instance. */
  get started(): number[] {
    return this.taken.filter(({ verdict }) => verdict === 'start').map(({ tickMs }) => tickMs);
  }
}
