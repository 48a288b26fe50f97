import type { Command } from 'commander';

import type { Log } from '../../../advancer/log/log.ts';
import type { Runbook } from '../../../src/runbook/runbook.ts';
import { EXIT } from '../../exit-code.ts';
import { addSharedOptions, DATABASE_OPTIONS } from '../../shared-options.ts';
import { printJson } from '../../terminal.ts';
import type { Terminal } from '../../terminal.ts';
import type { Register } from '../../verb.ts';
import { withLog } from '../../with-log.ts';
import { FILE_TEXT, readRunbooks } from './files.ts';

/** `leasehold runbook push FILE` */
export function definePush(command: Command, register: Register): void {
  addSharedOptions(command, DATABASE_OPTIONS)
    .summary('store runbooks')
    .description(
      'Store the runbooks of files. A stored version never changes: a changed runbook needs a ' +
        'higher version, and instances stay on theirs.',
    )
    .argument('<file...>', FILE_TEXT);
  register(command, async (terminal, options, files) => {
    const json = options.json === true;
    // All files are read before anything is stored.
    const runbooks = await readRunbooks(terminal, files, json);
    if (runbooks === undefined) return EXIT.invalid;
    return withLog(terminal, options, async (log) => {
      let exitCode: number = EXIT.done;
      for (const pushed of runbooks) {
        const result = await log.pushRunbook(pushed);
        const { runbook: runbookId, version } = pushed;
        if (result === 'conflict') {
          exitCode = EXIT.refused;
          await reportConflict(terminal, log, pushed, json);
        } else if (json) printJson(terminal, { runbookId, version, result });
        else terminal.out(`${runbookId} v${version} ${PUSHED[result]}`);
      }
      return exitCode;
    });
  });
}

const PUSHED = {
  created: 'stored',
  exists: 'already stored, with the same content',
} as const;

/** What differs from what is stored under the same version, and which version to give it. */
async function reportConflict(
  terminal: Terminal,
  log: Log,
  pushed: Runbook,
  json: boolean,
): Promise<void> {
  const { runbook: runbookId, version } = pushed;
  const [stored, newest, { diffRunbooks, diffText }] = await Promise.all([
    log.runbook(runbookId, version),
    log.runbook(runbookId),
    import('../../render/runbook-diff.ts'),
  ]);
  // What is stored is never deleted.
  if (stored === undefined || newest === undefined)
    throw new Error(`runbook ${runbookId} version ${version} has gone from the log`);
  const nextVersion = newest.version + 1;
  const diff = diffRunbooks(
    { label: `${runbookId} v${version}, stored`, runbook: stored },
    { label: `${runbookId} v${version}, in the file`, runbook: pushed },
  );
  if (json) {
    const { changes, patch } = diff;
    printJson(terminal, { runbookId, version, result: 'conflict', nextVersion, changes, patch });
    return;
  }
  terminal.out(`${runbookId} v${version} refused: already stored with other content`);
  terminal.out(diffText(diff, terminal));
  terminal.out(`to store it, write version: ${nextVersion} in the file and push it again`);
}
