import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import type { Ending } from '../../../src/execution/outcome.ts';
import type { Control } from '../../harness/broken-replica.ts';
import type { Rule } from '../../random-cells/checker.ts';
import { randomCell, type RandomCell } from '../../random-cells/random-cell.ts';
import { LINES, offenderText, problemsOf, summaryOf } from '../../random-cells/result.ts';
import { runRandomCells } from '../../random-cells/run.ts';

/*
 * Random cells on real replicas, counted by a witness outside. `npm run random-cells` runs as many
 * as are wanted; here are a few for each line of the table of outcomes.
 */

const SEED = Number(process.env['LEASEHOLD_TEST_CELLS_SEED'] ?? 1);
const CELLS_PER_LINE = 8;
/** More cells for the line that needs a replica frozen at the right moment. */
const CELLS_TO_FREEZE = 16;
const CELLS_OF_A_CONTROL = 24;
const REPLICA = fileURLToPath(new URL('../../harness/broken-replica.ts', import.meta.url));

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

it('what happened is what is recorded, for every ending of the table', async () => {
  const count = CELLS_PER_LINE * LINES.length;
  const cells = Array.from({ length: count + CELLS_TO_FREEZE }, (_, nth) =>
    randomCell(SEED, nth, nth < count ? LINES : ['stopped_before']),
  );
  const result = await runRandomCells({ cells, seed: SEED });
  say(`seed ${SEED}: ${summaryOf(result)}`);
  result.offenders.slice(0, 3).forEach((offender) => say(offenderText(offender)));
  expect(problemsOf(result)).toEqual([]);
  // Replicas that were killed and frozen left doubts, and evidence.
  expect(result.seen.get('interrupted: crash')).toBeGreaterThan(0);
  expect(result.effects).toBeGreaterThan(count);
});

/** Cells about some lines, that retry, and that nothing disturbs. */
function cellsAbout(lines: readonly Ending[], count: number): RandomCell[] {
  const cells: RandomCell[] = [];
  for (let nth = 0; cells.length < count; nth += 1) {
    const cell = randomCell(SEED, nth, lines);
    if (!cell.storm && cell.attempts > 1) cells.push(cell);
  }
  return cells;
}

describe('with a rule switched off in a real replica, the witness catches it', () => {
  /** How often each rule is breached. */
  async function caught(
    control: Control,
    lines: readonly Ending[],
  ): Promise<Partial<Record<Rule, number>>> {
    const { breaches } = await runRandomCells({
      cells: cellsAbout(lines, CELLS_OF_A_CONTROL),
      seed: SEED,
      // With such a rule missing, instances may never end.
      patienceMs: 10_000,
      settles: false,
      replicaArgv: ['--import', 'tsx', REPLICA, control],
    });
    const counts: Partial<Record<Rule, number>> = {};
    for (const { rule } of breaches) counts[rule] = (counts[rule] ?? 0) + 1;
    say(`without ${control}: ${JSON.stringify(counts)}`);
    return counts;
  }

  it('an unknown outcome is taken for a refusal', async () => {
    const lines: Ending[] = [
      'exit_128',
      'signal',
      'status_5xx',
      'connection_lost',
      'threw_unknown',
    ];
    const counts = await caught('unknown', lines);
    expect(counts['one-key-unless-refused']).toBeGreaterThan(0);
    expect(counts['failed-means-not-happened']).toBeGreaterThan(0);
  });

  it('a success is taken for a refusal, because its output is lost or not as expected', async () => {
    const counts = await caught('happened', ['exit_0', 'status_2xx', 'returned']);
    expect(counts['one-key-unless-refused']).toBeGreaterThan(0);
    expect(counts['failed-means-not-happened']).toBeGreaterThan(0);
  });

  it('the intent is written together with the outcome', async () => {
    const counts = await caught('intent', ['status_2xx', 'status_4xx', 'returned', 'threw']);
    expect(counts['intent-first']).toBeGreaterThan(0);
  });
});
