import { runSeed, SIZE, type RunOptions, type SeedResult } from './run.ts';
import { planSchedule, type Fault, type Planned } from './schedule.ts';

/**
 * Runs seeds until one breaks a guarantee, and prints which: a negative control that was caught
 * says by what.
 *
 * @param how what the breach has to say; default: anything
 */
export async function firstBreach(
  control: string,
  seeds: number,
  options: (seed: number) => RunOptions,
  how = /./,
): Promise<SeedResult | undefined> {
  for (let seed = 1; seed <= seeds; seed += 1) {
    const result = await runSeed(seed, options(seed));
    if (!how.test(whatBroke(result))) continue;
    process.stderr.write(`${control}: caught with seed ${seed}:\n  ${whatBroke(result)}\n`);
    return result;
  }
  process.stderr.write(`${control}: not caught with seeds 1 to ${seeds}\n`);
  return undefined;
}

/** The guarantees that a run broke, in the order in which that was found. */
export function guarantees(result: SeedResult | undefined): number[] {
  return (result?.breaches ?? []).map(({ guarantee }) => guarantee);
}

/** What a run broke, one line each. */
export function whatBroke(result: SeedResult | undefined): string {
  return (result?.breaches ?? []).map(({ what }) => what).join('\n');
}

/** A seed's schedule with one kind of fault in the place of all. */
export function onlyFault(seed: number, fault: (index: number) => Fault): { schedule: Planned[] } {
  const schedule = planSchedule(seed, SIZE).map((planned, index): Planned => {
    return planned.do === 'break' ? { atMs: planned.atMs, do: 'break', ...fault(index) } : planned;
  });
  return { schedule };
}
