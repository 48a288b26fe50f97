import type { Problem } from '../../../src/runbook/problem.ts';
import type { Runbook } from '../../../src/runbook/runbook.ts';
import { printJson } from '../../terminal.ts';
import type { Terminal } from '../../terminal.ts';

/** What a verb says of an argument that is a file. */
export const FILE_TEXT = '.yaml, .json, .md, or a module that exports runbooks';

/**
 * Reads every runbook of the files, and reports every warning and every problem, in the order of
 * the lines. Returns undefined if there is a problem.
 */
export async function readRunbooks(
  terminal: Terminal,
  files: readonly string[],
  json: boolean,
): Promise<Runbook[] | undefined> {
  const [{ loadRunbookFile }, { formatProblem }] = await Promise.all([
    import('../../../src/runbook/load.ts'),
    import('../../../src/runbook/problem.ts'),
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
