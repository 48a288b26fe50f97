import { carryOut, ownArguments, seedOf, SHARED_OPTIONS } from '../harness/random-run.ts';
import { CANCELS_PER_OTHER, livesOf } from './life.ts';
import { offenderText, problemsOf, summaryOf } from './result.ts';
import { runRandomLives } from './run.ts';

/*
 * Runs random lives on separate servers:
 *
 *   npm run random-lives -- --cancels 1000 --children 200 --seed 7
 *
 * Exits 1 if a rule is breached.
 */

const given = ownArguments('random-lives', {
  cancels: { about: 'how many instances are cancelled', least: 0, byDefault: 1_000 },
  lives: { about: 'how many instances there are; by default some more than that', least: 0 },
  children: { about: 'how many children one parent has', least: 0, byDefault: 200 },
  families: { about: 'how many small families are cancelled', least: 0, byDefault: 10 },
  'at-once': { about: 'how many are under way at a time', least: 1, byDefault: 48 },
  ...SHARED_OPTIONS,
});
const seed = seedOf(given.seed);
const { cancels = 0, children = 0, families = 0, first = 0, 'at-once': atOnce } = given;
// Some live without one.
const count = given.lives ?? Math.ceil((cancels * (CANCELS_PER_OTHER + 1)) / CANCELS_PER_OTHER);

await carryOut('lives', {
  seed,
  command:
    `npm run random-lives -- --seed ${seed} --first ${first} --lives ${count} ` +
    `--children ${children} --families ${families}`,
  run: (servers, onProgress) =>
    runRandomLives({
      seed,
      lives: livesOf(seed, count, first),
      children,
      cancelledFamilies: families,
      atOnce,
      servers,
      onProgress,
    }),
  summaryOf,
  problemsOf,
  offendersOf: ({ offenders }) => offenders,
  offenderText,
});
