import { errorText } from '../error-text.ts';
import { tickIso } from '../schedule/tick-id.ts';
import type { CheckCount } from './audit.ts';
import type { Breach } from './check.ts';
import { SCHEDULE_CHECKS, type ScheduleEvidence } from './schedule-checks.ts';

/** One violation of a guarantee by a schedule. */
export interface ScheduleBreach extends Pick<Breach, 'check' | 'guarantee' | 'severity' | 'what'> {
  scheduleId: string;
  /** The ticks that show it, ISO 8601; none if the breach is that something is missing. */
  ticks: string[];
}

/** Checks one schedule after the other, and counts. */
export class ScheduleAudit {
  readonly #counts = SCHEDULE_CHECKS.map((check) => {
    const { name, guarantee, states, of } = check;
    const severity = 'breach' as const;
    const none = { checked: 0, notChecked: 0, seen: 0, breaches: 0 };
    const count: CheckCount = { check: name, guarantee, severity, states, of, ...none };
    return { check, count };
  });
  #schedules = 0;

  /** Runs every check on some ticks of one schedule. */
  look(evidence: ScheduleEvidence): ScheduleBreach[] {
    const { scheduleId } = evidence;
    if (evidence.isLast) this.#schedules += 1;
    const found: ScheduleBreach[] = [];
    for (const { check, count } of this.#counts) {
      const { name, guarantee } = check;
      const report = (ticks: readonly { tickMs: number }[], what: string): void => {
        count.breaches += 1;
        const times = ticks.map(({ tickMs }) => tickIso(tickMs));
        const own = { check: name, guarantee, severity: 'breach' as const };
        found.push({ ...own, scheduleId, ticks: times, what });
      };
      if (evidence.isLast) count.checked += 1;
      try {
        count.seen += check.look(evidence, report);
      } catch (cause) {
        // The schedule was damaged beyond reading: that is a finding, and no reason to stop.
        report([], `${scheduleId} cannot be read: ${errorText(cause)}`);
      }
    }
    return found;
  }

  /** How many schedules it has seen the newest tick of. */
  get schedules(): number {
    return this.#schedules;
  }

  /** The totals of each check. */
  get counts(): CheckCount[] {
    return this.#counts.map(({ count }) => ({ ...count }));
  }
}
