import { count } from '../../page/figures.ts';
import { clipped } from '../../page/markup.ts';

/** `1 fault`, `2 faults`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A moment of the run to the millisecond: `0:12.345`, `10:03.000`. */
export function moment(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  const whole = Math.max(0, Math.round(ms));
  const minutes = Math.floor(whole / 60_000);
  const seconds = ((whole % 60_000) / 1000).toFixed(3).padStart(6, '0');
  return `${minutes}:${seconds}`;
}

const WORDS_MAX = 80;

/** A name from the record in words, clipped if it is too long for one: `cut_etcd`, `cut etcd`. */
export function words(name: string): string {
  return clipped(name, WORDS_MAX).replaceAll('_', ' ');
}
