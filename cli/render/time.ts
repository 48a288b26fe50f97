/** How long ago: `3 s ago`. A time in the future counts as now, because clocks differ. */
export function ago(iso: string, nowMs: number): string {
  const ms = nowMs - Date.parse(iso);
  if (Number.isNaN(ms)) return iso;
  return ms < 1_000 ? 'just now' : `${span(ms)} ago`;
}

/** How long since then: `3 s`. A time in the future counts as now, because clocks differ. */
export function elapsed(iso: string, nowMs: number): string {
  const ms = nowMs - Date.parse(iso);
  return Number.isNaN(ms) ? `an unknown time (since ${iso})` : span(ms);
}

/** A span of time: `850 ms`, `3 s`, `12 min`, `5 h`, `3 days`. */
export function span(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const s = Math.floor(ms / 1_000);
  if (s < 120) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 120) return `${min} min`;
  const h = Math.floor(min / 60);
  return h < 48 ? `${h} h` : `${Math.floor(h / 24)} days`;
}

/** The local time of day: `10:43:02`. */
export function timeOfDay(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  return [time.getHours(), time.getMinutes(), time.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
}
