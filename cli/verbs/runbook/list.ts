import type { Command } from 'commander';

import { EXIT } from '../../exit-code.ts';
import { addSharedOptions, DATABASE_OPTIONS } from '../../shared-options.ts';
import { printJson } from '../../terminal.ts';
import type { Register } from '../../verb.ts';
import { withLog } from '../../with-log.ts';

/** `leasehold runbook list` */
export function defineList(command: Command, register: Register): void {
  addSharedOptions(command, DATABASE_OPTIONS)
    .summary('list stored runbooks')
    .description('List the stored runbooks.');
  register(command, (terminal, options) =>
    withLog(terminal, options, async (log) => {
      const found = await log.runbooks();
      if (options.json === true) {
        for (const stored of found) printJson(terminal, stored);
        return EXIT.done;
      }
      if (found.length === 0) {
        terminal.out('no runbooks stored; store one with: leasehold runbook push FILE');
        return EXIT.done;
      }
      const { runbooksTable } = await import('../../render/runbook.ts');
      terminal.out(runbooksTable(found, terminal, Date.now()));
      return EXIT.done;
    }),
  );
}
