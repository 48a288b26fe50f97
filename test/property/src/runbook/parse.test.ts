import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import type { Json, JsonObject } from '../../../../src/json.ts';
import { evaluateChecks } from '../../../../src/runbook/evaluate-checks.ts';
import { completeInputs } from '../../../../src/runbook/inputs.ts';
import { parseRunbookValue } from '../../../../src/runbook/parse.ts';

/** The runbook at the top of the reference, which has nearly every kind of field. */
const PAGE = readFileSync(join(import.meta.dirname, '../../../../docs/runbooks.md'), 'utf8');
const DEPLOY = parse(/^```yaml\n(.*?)^```$/ms.exec(PAGE)?.[1] ?? '') as Json;

type Path = (string | number)[];

function pathsOf(value: Json, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [at];
  const members = Object.entries(value);
  return [
    at,
    ...members.flatMap(([key, member]) =>
      pathsOf(member, [...at, Array.isArray(value) ? Number(key) : key]),
    ),
  ];
}

/** The value with another one at the path; without it if there is none. */
function replaced(value: Json, [key, ...rest]: Path, by: Json | undefined): Json {
  if (key === undefined) return by ?? null;
  const copy = structuredClone(value) as Record<string | number, Json>;
  if (rest.length > 0) copy[key] = replaced(copy[key] ?? null, rest, by);
  else if (by !== undefined) copy[key] = by;
  else delete copy[key];
  return copy;
}

const PATHS = pathsOf(DEPLOY).filter((path) => path.length > 0);

/** Values that mean something somewhere in a runbook, and any others. */
const value: fc.Arbitrary<Json | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.constantFrom<Json>('', '${', '${inputs.x}', '${outputs.canary}', '(', 'undo-x', '1d', 'a'),
  fc.constantFrom<Json>(null, [], {}, 0, -1, 1e300, [{}], [null], { handler: 'h' }),
  fc.constantFrom<Json>({ not: {} }, { $ref: '#/$defs/a' }, { pattern: '(' }, { type: [] }),
  fc.constantFrom<Json>({ items: {} }, { allOf: [true] }, [{ cell: 'canary', pointer: '' }]),
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
);

const change = fc.tuple(fc.constantFrom(...PATHS), value);
/** One change in half of them: few runbooks with more are accepted. */
const changes = fc.oneof(fc.tuple(change), fc.array(change, { minLength: 2, maxLength: 3 }));
const changed = changes.map((list) =>
  list.reduce<Json>((text, [path, by]) => {
    const exists = pathsOf(text).some((one) => one.join('/') === path.join('/'));
    return exists ? replaced(text, path, by) : text;
  }, DEPLOY),
);

describe('a runbook in which anything is something else', () => {
  it('is read without an exception, even if a list has holes; if it is accepted, so are its inputs and checks', () => {
    let accepted = 0;
    fc.assert(
      fc.property(
        changed,
        fc.dictionary(fc.constantFrom('service', 'regions'), fc.jsonValue()),
        (text, inputs) => {
          const parsed = parseRunbookValue(text, 'a.yaml');
          expect(parsed.ok || parsed.problems.length > 0).toBe(true);
          if (!parsed.ok) return;
          accepted += 1;
          completeInputs(parsed.runbook.inputs, inputs as JsonObject);
          for (const cell of parsed.runbook.cells) {
            if ('when' in cell && cell.when !== undefined)
              evaluateChecks(cell.when, { canary: inputs as JsonObject }, inputs as JsonObject);
            if ('assert' in cell) evaluateChecks(cell.assert, {}, inputs as JsonObject);
          }
        },
      ),
      { numRuns: 2_000 },
    );
    expect(accepted).toBeGreaterThan(50);
  });
});
