import type { Command } from 'commander';

import { EXIT } from '../../exit-code.ts';
import { addSharedOptions } from '../../shared-options.ts';
import { printJson } from '../../terminal.ts';
import type { Register } from '../../verb.ts';
import { FILE_TEXT, readRunbooks } from './files.ts';

/** `leasehold runbook lint FILE` */
export function defineLint(command: Command, register: Register): void {
  addSharedOptions(command, ['json'])
    .summary('check files')
    .description('Check the runbooks of files. Needs no server.')
    .argument('<file...>', FILE_TEXT);
  register(command, async (terminal, options, files) => {
    const runbooks = await readRunbooks(terminal, files, options.json === true);
    if (runbooks === undefined) return EXIT.invalid;
    for (const { runbook: runbookId, version, cells } of runbooks) {
      if (options.json === true)
        printJson(terminal, { runbookId, version, cells: cells.length, valid: true });
      else terminal.out(`${runbookId} v${version} is valid: ${cells.length} cells`);
    }
    return EXIT.done;
  });
}
