import { parseDurationMs } from '../time/duration.ts';
import type { Json } from '../json.ts';
import { checkArguments, checkUrl, checkVariables } from './check-route.ts';
import { checkOutcomes } from './check-outcomes.ts';
import { didYouMean } from './nearest.ts';
import { placeholdersOf } from './placeholder.ts';
import type { Finding, Path } from './problem.ts';
import type { CellReading } from './shape.ts';
import type { Cell, CellType, Effect, ExecCell } from './runbook.ts';

/**
 * A cell as far as it could be read: one with a schema error still has its position and its id.
 */
export interface ReadCell extends Pick<CellReading, 'rest' | 'removed'> {
  id: string | undefined;
  type: CellType | undefined;
  cell: Cell | undefined;
}

/**
 * Checks what the schema of a runbook cannot: that names exist, in the right order, and more. Of a
 * cell with schema errors, the parts that have none are checked, and the names in the others.
 */
export function checkCells(inputs: string[], cells: ReadCell[]): Finding[] {
  const findings: Finding[] = [];
  const firstAt = new Map<string, number>();
  for (const [i, { id }] of cells.entries()) {
    if (id === undefined) continue;
    const earlier = firstAt.get(id);
    if (earlier === undefined) firstAt.set(id, i);
    else
      findings.push(error(['cells', i, 'id'], `is used twice: cell ${earlier + 1} is also ${id}`));
  }
  for (const [i, name] of inputs.entries()) {
    if (inputs.indexOf(name) < i) findings.push(error(['inputs', i], `declares ${name} twice`));
  }
  for (const [i, { cell, rest, removed = [] }] of cells.entries()) {
    const context = { inputs, cells, firstAt, here: i };
    const readable = cell ?? rest;
    const found = [
      ...(readable === undefined ? [] : checkCell(readable, context)),
      ...removed
        .filter(({ path }) => path[0] !== 'prose')
        .flatMap(({ path, value }) => checkPlaceholders(value, path, context)),
    ];
    findings.push(...found.map((finding) => ({ ...finding, path: ['cells', i, ...finding.path] })));
  }
  if (
    !cells.some(({ type, cell }) => type === 'exec' || (type === undefined && cell === undefined))
  ) {
    findings.push(warning(['cells'], 'have no exec cell, so this runbook does nothing'));
  }
  return findings;
}

/** What is known around a cell. */
interface CellContext {
  inputs: string[];
  cells: ReadCell[];
  /** The index at which each cell id is first used. */
  firstAt: Map<string, number>;
  here: number;
}

function checkCell(cell: Cell, context: CellContext): Finding[] {
  if ('prose' in cell) return [];
  if ('await' in cell) return checkPlaceholders(cell.await, ['await'], context);
  if ('assert' in cell) {
    return cell.assert.flatMap((check, i) => {
      const fault = outputFault(check.cell, context);
      return [
        ...(fault === undefined
          ? []
          : [error(['assert', i, 'cell'], `names ${check.cell}, ${fault}`)]),
        ...('equals' in check
          ? checkPlaceholders(check.equals, ['assert', i, 'equals'], context)
          : []),
      ];
    });
  }
  return [
    ...checkEffect(cell.exec, ['exec'], context),
    ...(cell.probe === undefined ? [] : checkEffect(cell.probe, ['probe'], context)),
    ...checkExpectations(cell, context),
    ...checkOutput(cell),
    ...checkOutcomes(cell),
    ...(parseDurationMs(cell.timeout ?? '1s') === 0
      ? [error(['timeout'], 'must be longer than zero')]
      : []),
  ];
}

function checkOutput(cell: ExecCell): Finding[] {
  if (cell.output === undefined || !('handler' in cell.exec)) return [];
  const message = 'is only used with a command or an http call: a handler returns its output';
  return [{ ...error(['output'], message), atKey: true }];
}

function checkExpectations(cell: ExecCell, context: CellContext): Finding[] {
  return (cell.expect ?? []).flatMap((expectation, i) => {
    const at: Path = ['expect', i];
    if ('exitCode' in expectation && !('command' in cell.exec)) {
      return [error([...at, 'exitCode'], 'can never hold: only a command has an exit code')];
    }
    if ('status' in expectation && !('http' in cell.exec)) {
      return [error([...at, 'status'], 'can never hold: only an http call has a status')];
    }
    return 'equals' in expectation
      ? checkPlaceholders(expectation.equals, [...at, 'equals'], context)
      : [];
  });
}

const RESERVED_HEADERS = [
  'accept-encoding',
  'idempotency-key',
  'leasehold-fencing-token',
  'content-length',
  'transfer-encoding',
  'connection',
  'host',
];

function checkEffect(effect: Effect, at: Path, context: CellContext): Finding[] {
  if ('handler' in effect) return [];
  if ('command' in effect) {
    const path = [...at, 'command'];
    const [program = ''] = effect.command;
    const findings = [
      ...checkPlaceholders(effect.command, path, context),
      ...checkArguments(effect.command, path),
      ...checkPlaceholders(effect.env ?? {}, [...at, 'env'], context),
      ...checkVariables(effect.env ?? {}, [...at, 'env']),
      ...checkPlaceholders(effect.cwd ?? '', [...at, 'cwd'], context),
    ];
    if (program === '') findings.push(error([...path, 0], 'must name a program'));
    if (effect.command.length === 1 && /\S\s+\S/.test(program) && !program.includes('${')) {
      findings.push(
        warning(
          [...path, 0],
          'has a space: there is no shell, so write each argument as its own item',
        ),
      );
    }
    return findings;
  }
  const { url, headers = {}, body } = effect.http;
  const path = [...at, 'http'];
  const findings = [
    ...checkPlaceholders(url, [...path, 'url'], context),
    ...checkUrl(url, [...path, 'url']),
    ...checkPlaceholders(headers, [...path, 'headers'], context),
    ...(body === undefined ? [] : checkPlaceholders(body, [...path, 'body'], context)),
  ];
  for (const name of Object.keys(headers)) {
    const where = { path: [...path, 'headers', name], atKey: true };
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) {
      findings.push({ ...where, severity: 'error', message: 'is not a valid header name' });
    } else if (RESERVED_HEADERS.includes(name.toLowerCase())) {
      findings.push({
        ...where,
        severity: 'warning',
        message: 'is set by Leasehold; this value is not sent',
      });
    }
  }
  return findings;
}

function checkPlaceholders(value: Json, path: Path, context: CellContext): Finding[] {
  return placeholdersOf(value, path).flatMap((use) => {
    if (use.placeholder === undefined)
      return [error(use.at, `has an invalid placeholder: ${use.fault}`)];
    const { root, path: names } = use.placeholder;
    const [name = ''] = names;
    const text = `\${${[root, ...names].join('.')}}`;
    if (root === 'outputs') {
      const fault = outputFault(name, context);
      return fault === undefined ? [] : [error(use.at, `refers to ${text}, ${fault}`)];
    }
    if (context.inputs.includes(name)) return [];
    const declared =
      context.inputs.length === 0
        ? 'no inputs are declared'
        : `inputs: ${context.inputs.join(', ')}`;
    const near = didYouMean(name, context.inputs);
    return [error(use.at, `refers to ${text}, but ${name} is not declared (${declared})${near}`)];
  });
}

/** Why the cell with this id has no output here; continues a sentence after its name. */
function outputFault(id: string, context: CellContext): string | undefined {
  const index = context.firstAt.get(id);
  if (index === undefined) {
    return `but there is no cell ${id}${didYouMean(id, [...context.firstAt.keys()])}`;
  }
  if (index === context.here) return 'which is this cell itself, and has no output yet';
  if (index > context.here) return 'which comes later and has no output yet';
  return context.cells[index]?.type === 'prose'
    ? 'which is prose and never has an output'
    : undefined;
}

function error(path: Path, message: string): Finding {
  return { path, severity: 'error', message };
}

function warning(path: Path, message: string): Finding {
  return { path, severity: 'warning', message };
}
