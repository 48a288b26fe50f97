/** How numbers and lengths of time read in the reports, the same on every machine and locale. */

/** A count with thousands separated: `20,114`. */
export function count(value: number): string {
  return Number.isFinite(value) ? value.toLocaleString('en-US', { maximumFractionDigits: 1 }) : '–';
}

/** A length of time to three figures: `412 ms`, `3.21 s`, `10 min 3 s`. */
export function span(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  if (ms < 1) return ms <= 0 ? '0 ms' : '< 1 ms';
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_995) return `${trimmed(ms / 1000, 2)} s`;
  if (ms < 59_950) return `${trimmed(ms / 1000, 1)} s`;
  const seconds = Math.round(ms / 1000);
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'min'],
    [seconds % 60, 's'],
  ] as const;
  return parts
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(' ');
}

/** A coordinate or percentage for SVG, to four decimals: 0.6 ms of a ten-minute run. */
export function short(value: number): string {
  return String(Math.round(value * 10_000) / 10_000);
}

function trimmed(value: number, decimals: number): string {
  return value.toFixed(decimals).replace(/\.0+$/, '');
}
