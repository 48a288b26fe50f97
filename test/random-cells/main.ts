import { parseArgs } from 'node:util';

import { startStack } from '../../tools/stack/servers.ts';
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

const OFFENDERS_SHOWN = 5;
const PROBLEMS_SHOWN = 30;
const PROGRESS_MS = 5_000;

const { values } = parseArgs({
  options: {
    cells: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    first: { type: 'string', default: '0' },
    'at-once': { type: 'string', default: '64' },
  },
});

function whole(name: keyof typeof values, least: number): number {
  const number = Number(values[name]);
  if (Number.isSafeInteger(number) && number >= least) return number;
  say(`--${name} must be a whole number from ${least}, not ${values[name]}`);
  process.exit(2);
}

const [cells, seed, first, atOnce] = [
  whole('cells', 1),
  whole('seed', 0),
  whole('first', 0),
  whole('at-once', 1),
];
const again = (from: number, count: number): string =>
  `npm run random-cells -- --seed ${seed} --first ${from} --cells ${count}`;

say(`seed ${seed}: ${again(first, cells)}`);
const stack = await startStack({ durable: false, say });
try {
  let saidMs = 0;
  const result = await runRandomCells({
    cells: Array.from({ length: cells }, (_, nth) => randomCell(seed, first + nth, LINES)),
    seed,
    atOnce,
    servers: stack,
    onProgress(done, of, phase) {
      if (performance.now() - saidMs < PROGRESS_MS && done < of) return;
      saidMs = performance.now();
      say(`${new Date().toISOString().slice(11, 19)} ${phase}: ${done} of ${of} cells`);
    },
  });
  say(summaryOf(result));
  const problems = problemsOf(result);
  problems.slice(0, PROBLEMS_SHOWN).forEach(say);
  for (const offender of result.offenders.slice(0, OFFENDERS_SHOWN)) {
    say(offenderText(offender));
    say(`  alone: ${again(Number(offender.cell.instanceId.slice(1)), 1)}`);
  }
  say(problems.length === 0 ? 'passed' : `${problems.length} problems; seed ${seed}`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  await stack.stop();
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
