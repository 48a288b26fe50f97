/** How a chart maps values to positions. */
export interface Axis {
  kind: 'linear' | 'log';
  from: number;
  to: number;
}

/**
 * The position of a value from 0 to 1, clamped. On an axis of a single value it is in the middle.
 */
export function position({ kind, from, to }: Axis, value: number): number {
  if (from === to) return 0.5;
  const share =
    kind === 'linear' ? (value - from) / (to - from) : Math.log(value / from) / Math.log(to / from);
  return Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0;
}

/**
 * Round values that enclose all given ones: from 0 on a linear axis, powers of ten on a
 * logarithmic one.
 */
export function axisTicks(values: readonly number[], kind: Axis['kind']): number[] {
  const positive = values.filter((value) => Number.isFinite(value) && value > 0);
  const most = positive.reduce((a, b) => Math.max(a, b), 0);
  if (most === 0) return [0, 1];
  if (kind === 'log') {
    const least = positive.reduce((a, b) => Math.min(a, b), most);
    const [from, to] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
    return Array.from({ length: Math.max(2, to - from + 1) }, (_, index) =>
      Number(`1e${from + index}`),
    );
  }
  const step = roundStep(most / 5);
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
}

/** A tick's label: `0.1`, `2,000`. */
export function tickText(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 4 });
}

function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 2.5, 5, 10].find((times) => power * times >= least) ?? 10);
}
