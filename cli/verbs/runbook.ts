import type { Command } from 'commander';

import type { Problem } from '../../src/runbook/problem.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import { EXIT } from '../exit-code.ts';
import { reportFailure } from '../failure.ts';
import { countFlag, idFlag } from '../flags.ts';
import { addSharedOptions, DATABASE_OPTIONS } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { Terminal } from '../terminal.ts';
import type { DefineVerb, Register } from '../verb.ts';
import { withLog } from '../with-log.ts';

/** `leasehold runbook push | list | show | lint` */
export const runbook: DefineVerb = (command, register) => {
  command.description('Push, list, show or lint runbooks.');
  definePush(command.command('push'), register);
  defineList(command.command('list'), register);
  defineShow(command.command('show'), register);
  defineLint(command.command('lint'), register);
};

const FILE_TEXT = '.yaml, .json, or a module that exports runbooks';

function definePush(command: Command, register: Register): void {
  addSharedOptions(command, DATABASE_OPTIONS)
    .summary('store runbooks')
    .description('Store the runbooks of files. A stored version never changes.')
    .argument('<file...>', FILE_TEXT);
  register(command, async (terminal, options, files) => {
    // All files are read before anything is stored.
    const runbooks = await readRunbooks(terminal, files, options.json === true);
    if (runbooks === undefined) return EXIT.invalid;
    return withLog(terminal, options, async (log) => {
      let exitCode: number = EXIT.done;
      for (const pushed of runbooks) {
        const result = await log.pushRunbook(pushed);
        const { runbook: runbookId, version } = pushed;
        if (result === 'conflict') exitCode = EXIT.refused;
        if (options.json === true) printJson(terminal, { runbookId, version, result });
        else terminal.out(`${runbookId} v${version} ${PUSHED[result]}`);
      }
      return exitCode;
    });
  });
}

const PUSHED = {
  created: 'stored',
  exists: 'already stored, with the same content',
  conflict: 'refused: already stored with other content; give the changed runbook a new version',
} as const;

function defineList(command: Command, register: Register): void {
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
      const { runbooksTable } = await import('../render/runbook.ts');
      terminal.out(runbooksTable(found, terminal, Date.now()));
      return EXIT.done;
    }),
  );
}

function defineShow(command: Command, register: Register): void {
  addSharedOptions(command, DATABASE_OPTIONS)
    .summary('show a stored runbook')
    .description('Show a stored runbook.')
    .argument('<runbook>', 'runbook to show', idFlag)
    .option('--version <n>', 'version to show (default: the newest)', countFlag);
  register<{ version?: number }>(command, (terminal, options, [runbookId = '']) => {
    const { version, json } = options;
    return withLog(terminal, options, async (log) => {
      const stored = await log.runbook(runbookId, version);
      if (stored === undefined) {
        const { noRunbook } = await import('../../src/runbook/no-runbook.ts');
        const message = noRunbook(runbookId, version, await log.runbooks());
        const lines = [message, 'to see what is stored: leasehold runbook list'];
        return reportFailure(terminal, json === true, { code: 'not_found', message, lines });
      }
      if (json === true) {
        printJson(terminal, stored);
        return EXIT.done;
      }
      const { runbookText } = await import('../render/runbook.ts');
      terminal.out(runbookText(stored, terminal));
      return EXIT.done;
    });
  });
}

function defineLint(command: Command, register: Register): void {
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

/**
 * Reads every runbook of the files, and reports every warning and every problem, in the order of
 * the lines. Returns undefined if there is a problem.
 */
async function readRunbooks(
  terminal: Terminal,
  files: readonly string[],
  json: boolean,
): Promise<Runbook[] | undefined> {
  const [{ loadRunbookFile }, { formatProblem }] = await Promise.all([
    import('../../src/runbook/load.ts'),
    import('../../src/runbook/problem.ts'),
  ]);
  const loaded = await Promise.all(files.map(loadRunbookFile));
  const report = (problem: Problem): void => {
    const message = formatProblem(problem);
    terminal.err(message);
    if (json) printJson(terminal, { error: { code: 'invalid', message, problem } });
  };
  const warn = (problem: Problem): void => terminal.err(`warning: ${formatProblem(problem)}`);
  for (const file of loaded) {
    const found = [
      ...file.warnings.map((problem) => ({ problem, say: warn })),
      ...(file.ok ? [] : file.problems.map((problem) => ({ problem, say: report }))),
    ];
    found.sort((a, b) => a.problem.line - b.problem.line);
    for (const { problem, say } of found) say(problem);
  }
  const isValid = loaded.every(({ ok }) => ok);
  return isValid ? loaded.flatMap((file) => (file.ok ? file.runbooks : [])) : undefined;
}
