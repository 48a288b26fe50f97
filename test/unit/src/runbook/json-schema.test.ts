import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { EXAMPLE_RUNBOOKS } from '../../../../cli/dev/examples.ts';
import { isJsonObject, type Json, type JsonObject } from '../../../../src/json.ts';
import { CELL_TYPES } from '../../../../src/runbook/cells.ts';
import { runbookJsonSchema } from '../../../../src/runbook/json-schema.ts';
import { REFUND, withCell } from './runbook-texts.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..', '..');
const schema = runbookJsonSchema();
const accepts = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(schema);

/** What is wrong with a runbook in YAML. */
function faultsOf(yaml: string): string[] {
  accepts(parse(yaml));
  return (accepts.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** The whole runbooks in the YAML blocks of a page. */
function runbooksIn(page: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)]
    .map(([, yaml = '']) => yaml)
    .filter((yaml) => yaml.startsWith('runbook:'));
}

/** Every object schema with properties, and where it is. */
function objectsIn(value: Json, path = ''): [path: string, properties: JsonObject][] {
  if (Array.isArray(value))
    return value.flatMap((one, index) => objectsIn(one, `${path}/${index}`));
  if (!isJsonObject(value)) return [];
  const inner = Object.entries(value).flatMap(([key, one]) => objectsIn(one, `${path}/${key}`));
  const { properties } = value;
  return isJsonObject(properties) && value['type'] === 'object'
    ? [[path, properties], ...inner]
    : inner;
}

describe('the JSON Schema of runbook files', () => {
  it('is of a draft that editors know, and has a title', () => {
    expect(schema).toMatchObject({
      $schema: 'http://json-schema.org/draft-07/schema#',
      title: 'A Leasehold runbook',
      type: 'object',
    });
  });

  it.each(EXAMPLE_RUNBOOKS.filter((file) => file.endsWith('.yaml')))('accepts %s', (file) => {
    expect(faultsOf(readFileSync(join(ROOT, file), 'utf8'))).toEqual([]);
  });

  it.each([
    ...['README.md', 'docs/runbooks.md'].flatMap((page) =>
      runbooksIn(page).map((yaml, index) => [`runbook ${index + 1} of ${page}`, yaml] as const),
    ),
    ['the runbook of the tests', REFUND] as const,
  ])('accepts %s', (_, yaml) => {
    expect(faultsOf(yaml)).toEqual([]);
  });

  it.each([
    ['an unknown field of the head', `${REFUND}colour: red\n`],
    ['no version', REFUND.replace('version: 1', '')],
    ['version 0', REFUND.replace('version: 1', 'version: 0')],
    ['no cells', 'runbook: a\nversion: 1\ncells: []\n'],
    ['a cell of no type', withCell('timeout: 1s')],
    ['a cell of two types', withCell('prose: a', 'exec: {handler: a}')],
    ['a mistyped field', withCell('exec: {handler: a}', 'timeuot: 1s')],
    ['a field of another type of cell', withCell('prose: a', 'timeout: 1s')],
    ['a command that is one text', withCell('exec: {command: ./a.sh}')],
    ['a bad method', withCell('exec: {http: {method: PSOT, url: "http://a"}}')],
    ['a status out of range', withCell('exec: {handler: a}', 'expect: [{status: 99}]')],
    ['an unknown policy', withCell('exec: {handler: a}', 'onInterrupt: retry')],
    ['a check without an operator', withCell('assert: [{cell: a, pointer: /b}]')],
    [
      'a check with two operators',
      withCell('assert: [{cell: a, pointer: /b, equals: 1, exists: true}]'),
    ],
    ['an id with a dot', withCell('exec: {handler: a}').replace('id: charge', 'id: char.ge')],
    ['a wait for both a claim and a time', withCell('await: {claim: a, statuses: [b], for: 1m}')],
  ])('rejects %s', (_, yaml) => {
    expect(faultsOf(yaml)).not.toEqual([]);
  });

  it('describes every type of cell and every field', () => {
    const objects = objectsIn(schema);
    const fields = new Set(objects.flatMap(([, properties]) => Object.keys(properties)));
    for (const type of CELL_TYPES) expect(fields).toContain(type);
    const bare = objects.flatMap(([path, properties]) =>
      Object.entries(properties)
        .filter(([, field]) => !isJsonObject(field) || typeof field['description'] !== 'string')
        .map(([name]) => `${path}: ${name}`),
    );
    expect(bare).toEqual([]);
  });
});
