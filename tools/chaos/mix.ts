import { didYouMean } from '../../src/runbook/nearest.ts';
import { FAULT_GROUPS, FAULT_KINDS } from './faults.ts';
import type { FaultKind } from './faults.ts';

/** The kinds to draw from, with their weights. */
export type Mix = readonly { kind: string; weight: number }[];

/** What reading `--faults` gives. */
export type ReadMix = { ok: true; mix: Mix } | { ok: false; problem: string };

/**
 * Reads a fault mix: kinds and groups joined by commas, each with a weight of its own after `=` or
 * left out by a `-` in front; `all` stands for every kind. What is taken first is everything that
 * is named, or all of it when only exceptions are.
 *
 * `all`, `process,network`, `all,-clock`, `sigkill=5,sigstop`
 */
export function readMix(text: string): ReadMix {
  const words = text.split(',').map((word) => word.trim());
  const weights = new Map<string, number>();
  if (words.every((word) => word.startsWith('-'))) take(FAULT_KINDS, undefined, weights);
  for (const word of words) {
    const match = /^(-?)([a-z_]+)(?:=(\d{1,4}))?$/.exec(word);
    if (match === null) {
      return {
        ok: false,
        problem: `${JSON.stringify(word)} is no fault, such as sigkill, -clock or sigstop=5`,
      };
    }
    const [, without, name = '', weight] = match;
    const kinds = kindsOf(name);
    if (kinds.length === 0)
      return { ok: false, problem: `there is no fault ${name}; ${suggestion(name)}` };
    if (without === '-') for (const { kind } of kinds) weights.delete(kind);
    else take(kinds, weight, weights);
  }
  const mix = [...weights].flatMap(([kind, weight]) => (weight > 0 ? [{ kind, weight }] : []));
  if (mix.length === 0)
    return { ok: false, problem: 'nothing is left of it; name at least one fault' };
  return { ok: true, mix };
}

function take(
  kinds: readonly FaultKind[],
  weight: string | undefined,
  weights: Map<string, number>,
): void {
  for (const kind of kinds)
    weights.set(kind.kind, weight === undefined ? kind.weight : Number(weight));
}

function kindsOf(name: string): readonly FaultKind[] {
  if (name === 'all') return FAULT_KINDS;
  return FAULT_KINDS.filter(({ kind, group }) => kind === name || group === name);
}

function suggestion(name: string): string {
  const names = ['all', ...FAULT_GROUPS, ...FAULT_KINDS.map(({ kind }) => kind)];
  return `there are ${names.join(', ')}${didYouMean(name, names)}`;
}
