import { carryOut, ownArguments, seedOf, SHARED_OPTIONS } from '../harness/random-run.ts';
import { randomCell } from './random-cell.ts';
import { LINES, offenderText, problemsOf, summaryOf } from './result.ts';
import { runRandomCells } from './run.ts';

/*
 * Runs random cells on separate servers:
 *
 *   npm run random-cells -- --cells 10000 --seed 7
 *
 * Exits 1 if a rule is breached, or if an ending of the table was not seen.
 */

const given = ownArguments('random-cells', {
  cells: { about: 'how many cells there are', least: 1, byDefault: 1_000 },
  'at-once': { about: 'how many are under way at a time', least: 1, byDefault: 64 },
  ...SHARED_OPTIONS,
});
const seed = seedOf(given.seed);
const { cells = 0, first = 0, 'at-once': atOnce } = given;
const again = (from: number, count: number): string =>
  `npm run random-cells -- --seed ${seed} --first ${from} --cells ${count}`;

await carryOut('cells', {
  seed,
  command: again(first, cells),
  run: (servers, onProgress) =>
    runRandomCells({
      cells: Array.from({ length: cells }, (_, nth) => randomCell(seed, first + nth, LINES)),
      seed,
      atOnce,
      servers,
      onProgress,
    }),
  summaryOf,
  problemsOf,
  offendersOf: ({ offenders }) => offenders,
  offenderText(offender) {
    const alone = again(Number(offender.cell.instanceId.slice(1)), 1);
    return `${offenderText(offender)}\n  alone: ${alone}`;
  },
});
