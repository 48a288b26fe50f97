import type { z } from 'zod';

import type { Json, JsonObject } from '../json.ts';
import { CELL_SCHEMAS, CELL_TYPES, type Cell, type CellType } from './cells.ts';
import { didYouMean } from './nearest.ts';
import type { Finding, Path } from './problem.ts';
import { RunbookHead } from './head.ts';
import { salvage, type Salvage } from './salvage.ts';
import { error } from './check-names.ts';
import { fieldsOf, isObject, kindOf, translate } from './schema-findings.ts';

/** Reads a runbook's own fields. */
export function readHead(value: unknown): {
  head?: z.infer<typeof RunbookHead>;
  findings: Finding[];
} {
  if (!isObject(value)) {
    return {
      findings: [
        error(
          [],
          `must be an object with runbook, version, inputs and cells, not ${kindOf(value)}`,
        ),
      ],
    };
  }
  const parsed = RunbookHead.safeParse(value);
  if (parsed.success) return { head: parsed.data, findings: [] };
  return { findings: translate(parsed.error.issues, RunbookHead, value) };
}

/** A cell, or what can be checked of one with problems; paths start at the cell. */
export interface CellReading {
  cell?: Cell;
  type?: CellType;
  /** What is left of it without the parts that have problems. */
  rest?: Cell | undefined;
  /** The parts that have problems. */
  removed?: Salvage['removed'] | undefined;
  findings: Finding[];
}

/** Reads one cell. */
export function readCell(value: unknown): CellReading {
  if (!isObject(value)) return { findings: [error([], `must be an object, not ${kindOf(value)}`)] };
  const types = CELL_TYPES.filter((type) => value[type] !== undefined);
  const [type] = types;
  if (type === undefined || types.length > 1) {
    const given =
      types.length === 0
        ? `it has none of them${suggestion(value)}`
        : `it has ${types.join(' and ')}`;
    const removed = types.map((each) => ({ path: [each], value: value[each] as Json }));
    return {
      removed,
      findings: [error([], `needs exactly one of ${CELL_TYPES.join(', ')} per cell; ${given}`)],
    };
  }
  const schema = CELL_SCHEMAS[type];
  const parsed = schema.safeParse(value);
  if (parsed.success) return { cell: parsed.data, type, findings: [] };
  const findings = translate(parsed.error.issues, schema, value).map((finding) =>
    finding.isUnknown === true
      ? { ...finding, ...elsewhere(type, finding.path) }
      : isNoWait(value['await']) && finding.path.join('.') === 'await'
        ? { ...finding, message: 'must be a claim with its statuses, or a pause: for or until' }
        : finding,
  );
  const paths = findings.map(({ path }) => path);
  const { cell: rest, removed, faults } = salvage(type, value as JsonObject, paths);
  findings.push(...faults.map(({ path, message }) => error(path, message)));
  return { type, rest, removed, findings };
}

/** Whether an await says neither what it waits for nor how long. */
function isNoWait(wait: unknown): boolean {
  return isObject(wait) && !['claim', 'for', 'until'].some((name) => name in wait);
}

/** Where a field belongs that the cell does not have, but another one would. */
function elsewhere(type: CellType, path: Path): { message?: string } {
  const [field = '', inside] = path;
  if (path.length === 1) {
    const others = CELL_TYPES.filter((other) =>
      fieldsOf(CELL_SCHEMAS[other]).includes(String(field)),
    );
    if (others.length === 0) return {};
    const message = `is not a field here: only ${others.join(', ')} cells have it`;
    return { message: type === 'prose' ? `${message}; this one is text` : message };
  }
  if (field !== 'await' || path.length > 2) return {};
  switch (inside) {
    case 'for':
      return { message: 'is a pause by itself; the deadline of a claim is within' };
    case 'within':
    case 'otherwise':
    case 'statuses':
      return { message: 'is only used with a claim, and this await is a pause' };
    default:
      return {};
  }
}

function suggestion(cell: Record<string, unknown>): string {
  for (const key of Object.keys(cell)) {
    const near = didYouMean(key, CELL_TYPES);
    if (key !== 'id' && near !== '') return ` (${key}${near})`;
  }
  return '';
}
