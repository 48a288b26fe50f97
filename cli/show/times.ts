import { timeOfDay } from '../render/time.ts';

/**
 * How the times of a log are shown on a terminal: the local time of day if all of them are of
 * today, else with the date.
 */
export function timesOf(times: readonly string[], nowMs: number): (iso: string) => string {
  const today = localDate(new Date(nowMs));
  const isToday = times.every((iso) => localDate(new Date(iso)) === today);
  return (iso) => (isToday ? timeOfDay(iso) : `${localDate(new Date(iso))} ${timeOfDay(iso)}`);
}

function localDate(time: Date): string {
  return [time.getFullYear(), time.getMonth() + 1, time.getDate()]
    .map((part) => String(part).padStart(2, '0'))
    .join('-');
}

/** A time in UTC, `2030-01-31 09:00:00`, the same on every machine. */
export function utcTime(iso: string): string {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? iso : time.toISOString().slice(0, 19).replace('T', ' ');
}
