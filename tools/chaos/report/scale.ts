import { short } from '../../page/figures.ts';

/**
 * Positions as percentages of the plot's width. With percentages the browser can lay out the charts
 * for any width, and the timeline can be zoomed by widening one element without distorting marks or
 * letters.
 */
export interface Scale {
  /** The position of a value, kept inside the plot: `12.3456%`. */
  at(value: number): string;
  /** The same as a number from 0 to 100. */
  percent(value: number): number;
}

export interface Tick {
  value: number;
  label: string;
}

/** Time of the run from 0 to `endMs`. */
export function timeScale(endMs: number): Scale {
  const end = Number.isFinite(endMs) && endMs > 0 ? endMs : 1;
  return scaled((ms) => ms / end);
}

const TIME_STEPS_S = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400,
];

/** About `most` round moments of a run at most, from its start. */
export function timeTicks(endMs: number, most: number): Tick[] {
  const stepMs =
    1000 * (TIME_STEPS_S.find((step) => endMs / (step * 1000) <= most) ?? endMs / most / 1000);
  if (!(stepMs > 0) || !Number.isFinite(endMs)) return [];
  const ticks: Tick[] = [];
  for (let index = 0; index * stepMs <= endMs; index += 1) {
    ticks.push({ value: index * stepMs, label: tickLabel(index * stepMs, stepMs) });
  }
  return ticks;
}

function tickLabel(ms: number, stepMs: number): string {
  const decimals = stepMs < 1000 ? 1 : 0;
  const seconds = (ms % 60_000) / 1000;
  return `${Math.floor(ms / 60_000)}:${seconds.toFixed(decimals).padStart(decimals === 0 ? 2 : 4, '0')}`;
}

/**
 * A logarithmic scale for lengths of time that covers all the given ones, with its ends at 1, 2 or
 * 5 times a power of ten.
 */
export function logScale(values: readonly number[]): Scale & { ticks: Tick[] } {
  const positive = values.filter((value) => Number.isFinite(value) && value >= 1);
  // Not Math.min(...positive), as a long list exceeds the limit of arguments.
  const least = positive.reduce((a, b) => Math.min(a, b), positive[0] ?? 1);
  const most = positive.reduce((a, b) => Math.max(a, b), 10);
  const from = roundStep(least, 'down');
  const to = Math.max(roundStep(most, 'up'), from * 10);
  const decades = Math.log10(to / from);
  const ticks: Tick[] = [];
  for (let power = Math.floor(Math.log10(from)); 10 ** power <= to; power += 1) {
    const value = 10 ** power;
    if (value >= from * 0.999)
      ticks.push({ value, label: value < 1000 ? `${value} ms` : `${value / 1000} s` });
  }
  return { ...scaled((value) => Math.log10(Math.max(value, from) / from) / decades), ticks };
}

function roundStep(value: number, way: 'down' | 'up'): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const steps = way === 'down' ? [5, 2, 1] : [1, 2, 5, 10];
  const step = steps.find((times) =>
    way === 'down' ? power * times <= value : power * times >= value,
  );
  return power * (step ?? 1);
}

function scaled(fraction: (value: number) => number): Scale {
  const percent = (value: number): number => {
    const share = fraction(value);
    return Number.isFinite(share) ? Math.min(100, Math.max(0, share * 100)) : 0;
  };
  return { percent, at: (value) => `${short(percent(value))}%` };
}
