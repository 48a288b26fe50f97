import type { Command } from 'commander';

import type { Log } from '../../../advancer/log/log.ts';
import { ConfigError } from '../../../src/config/config-error.ts';
import { isId } from '../../../src/ids.ts';
import type { Runbook } from '../../../src/runbook/runbook.ts';
import { EXIT } from '../../exit-code.ts';
import { countFlag } from '../../flags.ts';
import { addSharedOptions, DATABASE_OPTIONS } from '../../shared-options.ts';
import type { SharedOptions } from '../../shared-options.ts';
import { printJson } from '../../terminal.ts';
import type { Terminal } from '../../terminal.ts';
import type { Register } from '../../verb.ts';
import { withLog } from '../../with-log.ts';
import type { DiffSide } from '../../render/runbook-diff.ts';
import { readRunbooks } from './files.ts';
import { reportNotStored } from './no-stored.ts';

/** `leasehold runbook diff RUNBOOK|FILE [FROM] [TO]` */
export function defineDiff(command: Command, register: Register): void {
  addSharedOptions(command, DATABASE_OPTIONS)
    .summary('show what changed')
    .description(
      'Show what changed between two versions of a runbook, or between a stored version and a ' +
        'file. Without versions: from the version before the newest one to the newest, or from ' +
        'the newest to the file.',
    )
    .argument('<runbook|file>', 'stored runbook, or a file with runbooks')
    .argument('[from]', 'version to compare with', countFlag)
    .argument('[to]', 'version to compare; default: the newest (not with a file)', countFlag);
  register(command, async (terminal, options, [subject = '', ...given]) => {
    const [from, to] = given as unknown as (number | undefined)[];
    if (isId(subject)) {
      return withLog(terminal, options, (log) =>
        diffStored({ terminal, options, log }, subject, { from, to }),
      );
    }
    if (to !== undefined)
      throw new ConfigError(['a file is compared with one stored version: name only that one']);
    const files = await readRunbooks(terminal, [subject], options.json === true);
    if (files === undefined) return EXIT.invalid;
    return withLog(terminal, options, async (log) => {
      const call: Call = { terminal, options, log };
      let exitCode: number = EXIT.done;
      for (const runbook of files) {
        const stored = await log.runbook(runbook.runbook, from);
        const code =
          stored === undefined
            ? await reportNotStored(terminal, log, options.json === true, runbook.runbook, from)
            : await print(call, side(stored), side(runbook, subject));
        exitCode = Math.max(exitCode, code);
      }
      return exitCode;
    });
  });
}

/** What every step of the verb needs. */
interface Call {
  terminal: Terminal;
  options: SharedOptions;
  log: Log;
}

function side(runbook: Runbook, file?: string): DiffSide {
  const where = file === undefined ? '' : `, in ${file}`;
  return { label: `${runbook.runbook} v${runbook.version}${where}`, runbook };
}

async function diffStored(
  call: Call,
  runbookId: string,
  { from, to }: { from: number | undefined; to: number | undefined },
): Promise<number> {
  const { terminal, options, log } = call;
  const json = options.json === true;
  const newer = await log.runbook(runbookId, to);
  if (newer === undefined) return reportNotStored(terminal, log, json, runbookId, to);
  const before = from ?? (await versionBefore(log, runbookId, newer.version));
  if (before === undefined) {
    if (!json) terminal.err(`${runbookId} v${newer.version} is its only version`);
    return print(call, side(newer), side(newer));
  }
  const older = await log.runbook(runbookId, before);
  if (older === undefined) return reportNotStored(terminal, log, json, runbookId, before);
  return print(call, side(older), side(newer));
}

/** The newest version below this one; undefined if there is none. */
async function versionBefore(
  log: Log,
  runbookId: string,
  version: number,
): Promise<number | undefined> {
  const stored = await log.runbooks();
  return stored.find((one) => one.runbookId === runbookId && one.version < version)?.version;
}

async function print({ terminal, options }: Call, from: DiffSide, to: DiffSide): Promise<number> {
  const { diffRunbooks, diffText } = await import('../../render/runbook-diff.ts');
  const diff = diffRunbooks(from, to);
  if (options.json === true) {
    const { runbook: runbookId, version } = to.runbook;
    const same = diff.patch === '';
    printJson(terminal, { runbookId, from: from.runbook.version, to: version, same, ...diff });
  } else terminal.out(diffText(diff, terminal));
  return EXIT.done;
}
