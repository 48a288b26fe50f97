import { parseArgs } from 'node:util';

import { startStack } from '../../tools/stack/servers.ts';
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

const OFFENDERS_SHOWN = 5;
const PROBLEMS_SHOWN = 30;
const PROGRESS_MS = 5_000;

const { values } = parseArgs({
  options: {
    cancels: { type: 'string', default: '1000' },
    children: { type: 'string', default: '200' },
    families: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    first: { type: 'string', default: '0' },
    lives: { type: 'string' },
    'at-once': { type: 'string', default: '48' },
  },
});

function whole(name: keyof typeof values, least: number): number {
  const number = Number(values[name]);
  if (Number.isSafeInteger(number) && number >= least) return number;
  say(`--${name} must be a whole number from ${least}, not ${values[name]}`);
  process.exit(2);
}

const [cancels, children, families, seed, first, atOnce] = [
  whole('cancels', 0),
  whole('children', 0),
  whole('families', 0),
  whole('seed', 0),
  whole('first', 0),
  whole('at-once', 1),
];
// Some live without one.
const count =
  values.lives === undefined
    ? Math.ceil((cancels * (CANCELS_PER_OTHER + 1)) / CANCELS_PER_OTHER)
    : whole('lives', 0);

say(
  `seed ${seed}: npm run random-lives -- --seed ${seed} --first ${first} --lives ${count} ` +
    `--children ${children} --families ${families}`,
);
const stack = await startStack({ durable: false, say });
try {
  let saidMs = 0;
  const result = await runRandomLives({
    seed,
    lives: livesOf(seed, count, first),
    children,
    cancelledFamilies: families,
    atOnce,
    servers: stack,
    onProgress(done, of, phase) {
      if (performance.now() - saidMs < PROGRESS_MS && done < of) return;
      saidMs = performance.now();
      say(`${new Date().toISOString().slice(11, 19)} ${phase}: ${done} of ${of} lives`);
    },
  });
  say(summaryOf(result));
  const problems = problemsOf(result);
  problems.slice(0, PROBLEMS_SHOWN).forEach(say);
  for (const offender of result.offenders.slice(0, OFFENDERS_SHOWN)) say(offenderText(offender));
  say(problems.length === 0 ? 'passed' : `${problems.length} problems; seed ${seed}`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  await stack.stop();
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
