import { loadRunbookFile } from '../../src/runbook/load.ts';
import { formatProblem } from '../../src/runbook/problem.ts';
import { cellType } from '../../src/runbook/runbook.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import { EXIT } from '../exit-code.ts';
import { countFlag, idFlag } from '../flags.ts';
import type { Terminal } from '../terminal.ts';
import { withLog } from '../open-log.ts';
import { shared } from '../options.ts';
import { brief, table } from '../render/table.ts';
import { ago } from '../render/time.ts';
import { printJson } from '../verb.ts';
import type { AddVerb, Register } from '../verb.ts';
import type { Command } from 'commander';

/** `leasehold runbook push | list | show | lint` */
export const addRunbook: AddVerb = (parent, register) => {
  const group = parent.command('runbook').description('push, list, show and lint runbooks');
  addPush(group, register);
  addListing(group, register);
  addShow(group, register);
  addLint(group, register);
};

function addPush(group: Command, register: Register): void {
  const command = shared(group.command('push'), 'database')
    .description('store the runbooks of files; a version never changes once it is stored')
    .argument('<file...>', '.yaml, .json, or a module that exports runbooks');
  register(command, async (terminal, options, files) => {
    // All files are read before anything is stored.
    const runbooks = await readAll(terminal, files, options.json === true);
    if (runbooks === undefined) return EXIT.invalid;
    return withLog(terminal, options, async (log) => {
      let worst: number = EXIT.done;
      for (const runbook of runbooks) {
        const result = await log.pushRunbook(runbook);
        const { runbook: runbookId, version } = runbook;
        if (result === 'conflict') worst = EXIT.refused;
        if (options.json === true) printJson(terminal, { runbookId, version, result });
        else terminal.out(`${runbookId} v${version} ${PUSHED[result]}`);
      }
      return worst;
    });
  });
}

const PUSHED = {
  created: 'is stored',
  exists: 'is stored already, with the same content',
  conflict: 'is stored already with other content; give the changed runbook a new version',
} as const;

function addListing(group: Command, register: Register): void {
  const command = shared(group.command('list'), 'database').description('list the stored runbooks');
  register(command, (terminal, options) =>
    withLog(terminal, options, async (log) => {
      const found = await log.runbooks();
      if (options.json === true) {
        for (const one of found) printJson(terminal, one);
        return EXIT.done;
      }
      const now = Date.now();
      const rows = found.map((one) => [
        one.runbookId,
        one.version,
        one.digest.slice(0, 12),
        ago(one.recordedAt, now),
      ]);
      if (rows.length === 0)
        terminal.out('no runbook is stored; store one with: leasehold runbook push FILE');
      else terminal.out(table(['RUNBOOK', 'VERSION', 'DIGEST', 'STORED'], rows, terminal));
      return EXIT.done;
    }),
  );
}

function addShow(group: Command, register: Register): void {
  const command = shared(group.command('show'), 'database')
    .description('show a stored runbook')
    .argument('<runbook>', 'which runbook', idFlag)
    .option('--version <n>', 'which version; the newest when left out', countFlag);
  register(command, (terminal, options, [runbookId = '']) =>
    withLog(terminal, options, async (log) => {
      const version = options['version'] as number | undefined;
      const runbook = await log.runbook(runbookId, version);
      if (runbook === undefined) {
        const message = `there is no runbook ${runbookId}${version === undefined ? '' : ` v${version}`}`;
        if (options.json === true) printJson(terminal, { error: { code: 'not_found', message } });
        terminal.err(`${message}; leasehold runbook list says what is stored`);
        return EXIT.refused;
      }
      if (options.json === true) printJson(terminal, runbook);
      else show(terminal, runbook);
      return EXIT.done;
    }),
  );
}

function show(terminal: Terminal, runbook: Runbook): void {
  terminal.out(`${runbook.runbook} v${runbook.version}`);
  terminal.out(`inputs: ${runbook.inputs.length === 0 ? 'none' : runbook.inputs.join(', ')}`);
  terminal.out('');
  const rows = runbook.cells.map((cell) => {
    const { id, ...rest } = cell;
    return [id, cellType(cell), brief(rest, 90)];
  });
  terminal.out(table(['CELL', 'TYPE', 'CONTENT'], rows, terminal));
}

function addLint(group: Command, register: Register): void {
  const command = shared(group.command('lint'))
    .description('check the runbooks of files, without any server')
    .argument('<file...>', '.yaml, .json, or a module that exports runbooks');
  register(command, async (terminal, options, files) => {
    const runbooks = await readAll(terminal, files, options.json === true);
    if (runbooks === undefined) return EXIT.invalid;
    for (const { runbook, version, cells } of runbooks) {
      if (options.json === true)
        printJson(terminal, { runbookId: runbook, version, cells: cells.length, valid: true });
      else terminal.out(`${runbook} v${version} is valid: ${cells.length} cells`);
    }
    return EXIT.done;
  });
}

/**
 * Every runbook of the files; undefined when one of them is not valid, which has then been said.
 */
async function readAll(
  terminal: Terminal,
  files: string[],
  json: boolean,
): Promise<Runbook[] | undefined> {
  const loaded = await Promise.all(files.map(loadRunbookFile));
  let valid = true;
  const runbooks = loaded.flatMap((one) => {
    for (const warning of one.ok ? one.warnings : [])
      terminal.err(`warning: ${formatProblem(warning)}`);
    if (one.ok) return one.runbooks;
    valid = false;
    for (const problem of one.problems) {
      terminal.err(formatProblem(problem));
      if (json)
        printJson(terminal, {
          error: { code: 'invalid', message: formatProblem(problem), problem },
        });
    }
    return [];
  });
  return valid ? runbooks : undefined;
}
