import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type {
  ComparisonOptions,
  ComparisonRecord,
} from '../../tools/bench/compare/run-comparison.ts';
import { EXIT } from '../exit-code.ts';
import { reportFailure } from '../failure.ts';
import { LiveLine } from '../render/live-line.ts';
import { table } from '../render/table.ts';
import { printJson } from '../terminal.ts';
import type { Terminal } from '../terminal.ts';

/** `leasehold bench --compare`: this build against another one, in interleaved rounds. */
export async function runCompare(
  terminal: Terminal,
  options: ComparisonOptions,
  json: boolean,
): Promise<number> {
  const [{ runComparison }, { roundLine }] = await Promise.all([
    import('../../tools/bench/compare/run-comparison.ts'),
    import('../../tools/bench/compare/comparison-table.ts'),
  ]);
  const stop = new AbortController();
  const line = new LiveLine(terminal, 'starting');
  const say = (text: string): void => (terminal.liveIsTty ? line.above(text) : terminal.err(text));
  const restore = terminal.onInterrupt(() => {
    // Watchdogs end the child processes.
    if (stop.signal.aborted) process.exit(EXIT.failure);
    say('stopping... press Ctrl-C again to force');
    stop.abort();
  });
  say(`all files go to ${options.dir}`);
  try {
    const record = await runComparison(options, {
      stop: stop.signal,
      onEvent(event) {
        if (event.kind === 'note') {
          line.set(event.text);
          return;
        }
        if (json) printJson(terminal, event);
        say(roundLine(event));
      },
    });
    line.stop();
    const file = join(options.dir, 'compare.json');
    writeFileSync(file, `${JSON.stringify(record, undefined, 2)}\n`);
    if (json) printJson(terminal, { kind: 'summary', ...record, file });
    else await print(terminal, record, file);
    return exitCodeOf(terminal, record);
  } catch (error) {
    line.stop();
    if (!(error instanceof Error) || error.name !== 'NoStack') throw error;
    const { message } = error;
    const lines = [`the stack could not be started: ${message}`];
    return reportFailure(terminal, json, { code: 'unavailable', message, lines });
  } finally {
    line.stop();
    restore();
  }
}

async function print(terminal: Terminal, record: ComparisonRecord, file: string): Promise<void> {
  const { comparisonTables } = await import('../../tools/bench/compare/comparison-table.ts');
  const { before, after, rounds, compared } = record;
  terminal.out(`before: ${before.version}, ${before.dir}`);
  terminal.out(`after, again: ${after.version}, ${after.dir}`);
  for (const { title, head, rows } of comparisonTables(rounds, compared)) {
    terminal.out(`\n${title}\n`);
    terminal.out(table(head, rows, { color: terminal.color }));
  }
  terminal.out(`\n${file}`);
}

function exitCodeOf(terminal: Terminal, { ended, failure }: ComparisonRecord): number {
  if (ended === 'broken_off') terminal.err('Stopped early: not every round was measured.');
  if (failure !== undefined) terminal.err(`the comparison failed: ${failure}`);
  return ended === 'failed' ? EXIT.failure : EXIT.done;
}
