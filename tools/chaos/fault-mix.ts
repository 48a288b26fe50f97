import { didYouMean } from '../../src/runbook/nearest.ts';
import { FAULT_GROUPS, FAULT_KINDS } from './faults.ts';
import type { FaultKind } from './faults.ts';

/** The kinds to draw from, with their weights. */
export type FaultMix = readonly { kind: string; weight: number }[];

/** The result of parsing `--faults`. */
export type ParsedFaultMix = { ok: true; mix: FaultMix } | { ok: false; problem: string };

/**
 * Parses a fault mix: kinds and groups separated by commas. Each may have a weight after `=`, or be
 * excluded by a leading `-`; `all` stands for every kind. If there are only exclusions, they apply
 * to all kinds.
 *
 * `all`, `process,network`, `all,-clock`, `sigkill=5,sigstop`
 */
export function parseFaultMix(text: string): ParsedFaultMix {
  const terms = text.split(',').map((term) => term.trim());
  const weights = new Map<string, number>();
  if (terms.every((term) => term.startsWith('-'))) add(FAULT_KINDS, undefined, weights);
  for (const term of terms) {
    const match = /^(-?)([a-z_]+)(?:=(\d{1,4}))?$/.exec(term);
    if (match === null) {
      return {
        ok: false,
        problem: `${JSON.stringify(term)} is not a fault, such as sigkill, -clock or sigstop=5`,
      };
    }
    const [, minus, name = '', weight] = match;
    const kinds = kindsOf(name);
    if (kinds.length === 0)
      return { ok: false, problem: `there is no fault ${name}; ${suggestion(name)}` };
    if (minus === '-') for (const { kind } of kinds) weights.delete(kind);
    else add(kinds, weight, weights);
  }
  const mix = [...weights].flatMap(([kind, weight]) => (weight > 0 ? [{ kind, weight }] : []));
  if (mix.length === 0) return { ok: false, problem: 'no fault is selected; name at least one' };
  return { ok: true, mix };
}

function add(
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
  return `the faults are ${names.join(', ')}${didYouMean(name, names)}`;
}
