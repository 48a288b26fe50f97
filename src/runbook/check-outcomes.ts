import { classOfExitCode, classOfStatus } from '../execution/outcome.ts';
import type { Finding, Path } from './problem.ts';
import type { Attempt } from './check-effect.ts';
import type { Effect } from './effect.ts';

/** Checks what a cell says of the classes of its outcomes, and suggests what it might say. */
export function checkOutcomes(cell: Attempt): Finding[] {
  return [
    ...repeated(cell.exec),
    ...(cell.probe === undefined ? [] : movedByProbe(cell.probe)),
    ...neverHolding(cell),
    ...rerunOfReading(cell),
  ];
}

/** The lists that move statuses or exit codes to another class, with their places. */
function listsOf(effect: Effect, at: Path): { path: Path; name: string; values: number[] }[] {
  const named = (path: Path, lists: Record<string, number[] | undefined>) =>
    Object.entries(lists).flatMap(([name, values]) =>
      values === undefined ? [] : [{ path: [...path, name], name, values }],
    );
  if ('http' in effect) {
    const { refused, notBegun, unknown } = effect.http;
    return named([...at, 'http'], { refused, notBegun, unknown });
  }
  if (!('command' in effect)) return [];
  const { refusedExitCodes, unknownExitCodes } = effect;
  return named(at, { refusedExitCodes, unknownExitCodes });
}

/** A status or an exit code belongs to one class. */
function repeated(effect: Effect): Finding[] {
  const first = new Map<number, string>();
  return listsOf(effect, ['exec']).flatMap(({ path, name, values }) =>
    values.flatMap((value, i): Finding[] => {
      const earlier = first.get(value);
      if (earlier === undefined) {
        first.set(value, name);
        return [];
      }
      const message = `${value} is in ${earlier} already; it can have one meaning only`;
      return [{ path: [...path, i], severity: 'error', message }];
    }),
  );
}

/** A probe answers by its output, and only if it succeeds. */
function movedByProbe(probe: Effect): Finding[] {
  return listsOf(probe, ['probe']).map(({ path }): Finding => {
    const message = 'has no effect in a probe, which answers only if it succeeds';
    return { path, atKey: true, severity: 'error', message };
  });
}

/** An outcome that is unknown is never judged. */
function neverHolding({ exec, expect = [] }: Attempt): Finding[] {
  return expect.flatMap((expectation, i): Finding[] => {
    const at: Path = ['expect', i];
    if ('status' in expectation && 'http' in exec) {
      const { status } = expectation;
      if (classOfStatus(status, exec.http) !== 'unknown') return [];
      const message =
        `can never hold: a ${status} does not tell whether the effect happened. ` +
        `If here it means that it did not, add http.refused: [${status}]`;
      return [{ path: [...at, 'status'], severity: 'warning', message }];
    }
    if ('exitCode' in expectation && 'command' in exec) {
      const { exitCode } = expectation;
      if (classOfExitCode(exitCode, exec) !== 'unknown') return [];
      const message =
        `can never hold: exit code ${exitCode} does not tell whether the effect happened. ` +
        `If here it means that it did not, add refusedExitCodes: [${exitCode}]`;
      return [{ path: [...at, 'exitCode'], severity: 'warning', message }];
    }
    return [];
  });
}

/** A call that only reads may be repeated without asking a person. */
function rerunOfReading(cell: Attempt): Finding[] {
  if (!('http' in cell.exec) || cell.onInterrupt !== undefined) return [];
  const { method } = cell.exec.http;
  if (method !== 'GET' && method !== 'HEAD') return [];
  const message =
    `is a ${method}, and no onInterrupt is set: if its answer is lost, the instance waits for a ` +
    'person. If the call only reads, set onInterrupt: rerun';
  return [{ path: ['exec', 'http', 'method'], severity: 'warning', message }];
}
