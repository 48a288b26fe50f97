import { Document, isScalar, Scalar, visit } from 'yaml';
import { z } from 'zod';

import { jsonOf, type Json } from '../json.ts';
import { CELL_SCHEMAS, type Cell } from './cells.ts';
import { RunbookHead } from './head.ts';
import { surprisingReading } from './plain-scalars.ts';
import type { Runbook } from './runbook.ts';

/**
 * A runbook as YAML, always the same for the same content: fields in the order of their schemas,
 * keys that the author chose in alphabetical order. Reading it gives the same runbook. So two
 * versions can be compared line by line, in whatever form they were written (the log keeps neither
 * comments nor the order of keys).
 */
export function canonicalText(runbook: Runbook): string {
  return yamlOf(jsonOf(runbook));
}

/** A cell as YAML, as in the canonical text of its runbook. */
export function cellText(cell: Cell): string {
  return yamlOf(jsonOf(cell));
}

/**
 * Blanks that a block of lines would not show, or would lose: at its beginning, where they read as
 * indentation, and at the end of a line.
 */
const UNSEEN_BLANKS = /^\s|[ \t](?:\n|$)/u;

function yamlOf(value: Json): string {
  const document = new Document(inOrder(value), {
    aliasDuplicateObjects: false,
  });
  visit(document, {
    Scalar: (_, node) => {
      const text = node.value;
      if (typeof text !== 'string') return;
      // As the author would have to write it to get no warning.
      const misleads = surprisingReading(text, text) !== undefined;
      if (misleads || UNSEEN_BLANKS.test(text)) node.type = Scalar.QUOTE_DOUBLE;
    },
    Pair: (_, { key }) => {
      if (isScalar(key) && surprisingReading(String(key.value), key.value) !== undefined)
        key.type = Scalar.QUOTE_DOUBLE;
    },
  });
  return document.toString({ lineWidth: 0, blockQuote: 'literal' });
}

function inOrder(value: Json | undefined): Json | undefined {
  if (Array.isArray(value)) return value.map((item) => inOrder(item) ?? null);
  if (typeof value !== 'object' || value === null) return value;
  const keys = Object.keys(value).toSorted(byRank);
  return Object.fromEntries(keys.map((key) => [key, inOrder(value[key]) ?? null]));
}

function byRank(a: string, b: string): number {
  const [rankA, rankB] = [RANKS.get(a) ?? RANKS.size, RANKS.get(b) ?? RANKS.size];
  if (rankA !== rankB) return rankA - rankB;
  return a < b ? -1 : 1;
}

/** The fields of the schemas, in their order. */
function fieldsIn(schema: unknown): string[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault)
    return fieldsIn(schema.unwrap());
  if (schema instanceof z.ZodArray) return fieldsIn(schema.element);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(fieldsIn);
  if (!(schema instanceof z.ZodObject)) return [];
  return Object.entries(schema.shape).flatMap(([name, field]) => [name, ...fieldsIn(field)]);
}

const NAMES = ['id', ...[RunbookHead, ...Object.values(CELL_SCHEMAS)].flatMap(fieldsIn)];
const RANKS: ReadonlyMap<string, number> = new Map(
  [...new Set(NAMES)].map((name, rank) => [name, rank]),
);
