import type { Command } from 'commander';

import { isId } from '../../../src/ids.ts';
import type { Runbook } from '../../../src/runbook/runbook.ts';
import { EXIT } from '../../exit-code.ts';
import { countFlag } from '../../flags.ts';
import { addSharedOptions, DATABASE_OPTIONS } from '../../shared-options.ts';
import { printJson } from '../../terminal.ts';
import type { Terminal } from '../../terminal.ts';
import type { Register } from '../../verb.ts';
import { withLog } from '../../with-log.ts';
import { readRunbooks } from './files.ts';
import { reportNotStored } from './no-stored.ts';

interface Form {
  json: boolean | undefined;
  yaml: boolean | undefined;
}

interface ShowOptions extends Partial<Form> {
  version?: number;
}

/** `leasehold runbook show RUNBOOK|FILE` */
export function defineShow(command: Command, register: Register): void {
  addSharedOptions(command, DATABASE_OPTIONS)
    .summary('show a runbook')
    .description(
      'Show a stored runbook, or those of a file (which needs no server), as a page to read.',
    )
    .argument('<runbook|file>', 'stored runbook, or a file with runbooks')
    .option('--version <n>', 'version to show (default: the newest)', countFlag)
    .option('--yaml', 'print it as YAML, as a file that can be pushed');
  register<ShowOptions>(command, async (terminal, options, [subject = '']) => {
    const { version, json, yaml } = options;
    if (!isId(subject)) {
      const runbooks = await readRunbooks(terminal, [subject], json === true);
      if (runbooks === undefined) return EXIT.invalid;
      for (const runbook of runbooks) await show(terminal, { json, yaml }, runbook);
      return EXIT.done;
    }
    return withLog(terminal, options, async (log) => {
      const stored = await log.runbook(subject, version);
      if (stored === undefined)
        return reportNotStored(terminal, log, json === true, subject, version);
      await show(terminal, { json, yaml }, stored);
      return EXIT.done;
    });
  });
}

async function show(terminal: Terminal, { json, yaml }: Form, runbook: Runbook): Promise<void> {
  if (json === true) {
    printJson(terminal, runbook);
  } else if (yaml === true) {
    const { canonicalText } = await import('../../../src/runbook/canonical-text.ts');
    terminal.out(canonicalText(runbook).trimEnd());
  } else {
    const { runbookPage } = await import('../../show/terminal-page.ts');
    terminal.out(runbookPage(runbook, terminal));
  }
}
