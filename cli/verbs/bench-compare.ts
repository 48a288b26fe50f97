import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type {
  ComparisonOptions,
  ComparisonRecord,
} from '../../tools/bench/compare/run-comparison.ts';
import { EXIT } from '../exit-code.ts';
import { onOwnStack } from '../on-own-stack.ts';
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
  return onOwnStack(terminal, {
    json,
    opening: `all files go to ${options.dir}`,
    run: (progress, stop) =>
      runComparison(options, {
        stop,
        onEvent(event) {
          if (event.kind === 'note') {
            progress.tick(event.text);
            return;
          }
          if (json) printJson(terminal, event);
          progress.say(roundLine(event));
        },
      }),
    async report(record) {
      const file = join(options.dir, 'compare.json');
      writeFileSync(file, `${JSON.stringify(record, undefined, 2)}\n`);
      if (json) printJson(terminal, { kind: 'summary', ...record, file });
      else await print(terminal, record, file);
      return exitCodeOf(terminal, record);
    },
  });
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
