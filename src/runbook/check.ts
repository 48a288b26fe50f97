import { parseDurationMs } from '../time/duration.ts';
import type { Json } from '../json.ts';
import { didYouMean } from './nearest.ts';
import { placeholdersOf } from './placeholder.ts';
import type { Finding, Path } from './problem.ts';
import type { Cell, CellType, Effect, ExecCell } from './runbook.ts';

/**
 * A cell as far as it could be read: one that has a fault of shape still has its place and its id.
 */
export interface ReadCell {
  id: string | undefined;
  type: CellType | undefined;
  cell: Cell | undefined;
}

/**
 * Checks what the schema of a runbook cannot: that names exist, in the right order, and more. Cells
 * that could not be read are left out, apart from their names.
 */
export function checkCells(inputs: string[], cells: ReadCell[]): Finding[] {
  const findings: Finding[] = [];
  const firstAt = new Map<string, number>();
  for (const [i, { id }] of cells.entries()) {
    if (id === undefined) continue;
    const earlier = firstAt.get(id);
    if (earlier === undefined) firstAt.set(id, i);
    else
      findings.push(
        error(['cells', i, 'id'], `is used twice: cell ${earlier + 1} is ${id} as well`),
      );
  }
  for (const [i, name] of inputs.entries()) {
    if (inputs.indexOf(name) < i)
      findings.push(error(['inputs', i], `declares ${name} a second time`));
  }
  for (const [i, { cell }] of cells.entries()) {
    if (cell === undefined) continue;
    const found = checkCell(cell, { inputs, cells, firstAt, here: i });
    findings.push(...found.map((finding) => ({ ...finding, path: ['cells', i, ...finding.path] })));
  }
  if (
    !cells.some(({ type, cell }) => type === 'exec' || (type === undefined && cell === undefined))
  ) {
    findings.push(warning(['cells'], 'hold no exec cell, so this runbook does nothing'));
  }
  return findings;
}

interface Surroundings {
  inputs: string[];
  cells: ReadCell[];
  /** Where each cell id was first given. */
  firstAt: Map<string, number>;
  here: number;
}

function checkCell(cell: Cell, around: Surroundings): Finding[] {
  if ('prose' in cell) return [];
  if ('await' in cell) return checkPlaceholders(cell.await, ['await'], around);
  if ('assert' in cell) {
    return cell.assert.flatMap((check, i) => {
      const fault = outputFault(check.cell, around);
      return [
        ...(fault === undefined
          ? []
          : [error(['assert', i, 'cell'], `names ${check.cell}, ${fault}`)]),
        ...('equals' in check
          ? checkPlaceholders(check.equals, ['assert', i, 'equals'], around)
          : []),
      ];
    });
  }
  return [
    ...checkEffect(cell.exec, ['exec'], around),
    ...(cell.probe === undefined ? [] : checkEffect(cell.probe, ['probe'], around)),
    ...checkExpectations(cell, around),
    ...(parseDurationMs(cell.timeout ?? '1s') === 0
      ? [error(['timeout'], 'must be longer than nothing')]
      : []),
  ];
}

function checkExpectations(cell: ExecCell, around: Surroundings): Finding[] {
  return (cell.expect ?? []).flatMap((expectation, i) => {
    const at: Path = ['expect', i];
    if ('exitCode' in expectation && !('command' in cell.exec)) {
      return [error([...at, 'exitCode'], 'can never hold: only a command has an exit code')];
    }
    if ('status' in expectation && !('http' in cell.exec)) {
      return [error([...at, 'status'], 'can never hold: only an http call has a status')];
    }
    return 'equals' in expectation
      ? checkPlaceholders(expectation.equals, [...at, 'equals'], around)
      : [];
  });
}

const HEADERS_OF_OURS = [
  'idempotency-key',
  'leasehold-fencing-token',
  'content-length',
  'transfer-encoding',
  'connection',
  'host',
];

function checkEffect(effect: Effect, at: Path, around: Surroundings): Finding[] {
  if ('handler' in effect) return [];
  if ('command' in effect) {
    const path = [...at, 'command'];
    const [program = ''] = effect.command;
    const findings = checkPlaceholders(effect.command, path, around);
    if (program === '') findings.push(error([...path, 0], 'must name a program'));
    if (effect.command.length === 1 && /\S\s+\S/.test(program) && !program.includes('${')) {
      findings.push(
        warning(
          [...path, 0],
          'has a space: there is no shell, so give each argument as its own item',
        ),
      );
    }
    return findings;
  }
  const { url, headers = {}, body } = effect.http;
  const path = [...at, 'http'];
  const findings = [
    ...checkPlaceholders(url, [...path, 'url'], around),
    ...checkPlaceholders(headers, [...path, 'headers'], around),
    ...(body === undefined ? [] : checkPlaceholders(body, [...path, 'body'], around)),
  ];
  if (!url.includes('${') && !/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : '')) {
    findings.push(error([...path, 'url'], 'must be an http:// or https:// address'));
  }
  for (const name of Object.keys(headers)) {
    const where = { path: [...path, 'headers', name], atKey: true };
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) {
      findings.push({ ...where, severity: 'error', message: 'is not the name of a header' });
    } else if (HEADERS_OF_OURS.includes(name.toLowerCase())) {
      findings.push({
        ...where,
        severity: 'warning',
        message: 'is set by Leasehold; this value is not sent',
      });
    }
  }
  return findings;
}

function checkPlaceholders(value: Json, path: Path, around: Surroundings): Finding[] {
  return placeholdersOf(value, path).flatMap((use) => {
    if (use.placeholder === undefined) return [error(use.at, `holds ${use.fault}`)];
    const { root, path: names } = use.placeholder;
    const [name = ''] = names;
    const text = `\${${[root, ...names].join('.')}}`;
    if (root === 'outputs') {
      const fault = outputFault(name, around);
      return fault === undefined ? [] : [error(use.at, `refers to ${text}, ${fault}`)];
    }
    if (around.inputs.includes(name)) return [];
    const declared =
      around.inputs.length === 0 ? 'inputs declares none' : `inputs: ${around.inputs.join(', ')}`;
    const near = didYouMean(name, around.inputs);
    return [error(use.at, `refers to ${text}, but ${name} is not declared (${declared})${near}`)];
  });
}

/** Why the cell of that id has no output here; reads on from its name. */
function outputFault(id: string, around: Surroundings): string | undefined {
  const index = around.firstAt.get(id);
  if (index === undefined) {
    return `but there is no cell ${id}${didYouMean(id, [...around.firstAt.keys()])}`;
  }
  if (index === around.here) return 'which is this cell itself, and has no output yet';
  if (index > around.here) return 'which comes later and has no output yet';
  return around.cells[index]?.type === 'prose'
    ? 'which is prose and never has an output'
    : undefined;
}

function error(path: Path, message: string): Finding {
  return { path, severity: 'error', message };
}

function warning(path: Path, message: string): Finding {
  return { path, severity: 'warning', message };
}
