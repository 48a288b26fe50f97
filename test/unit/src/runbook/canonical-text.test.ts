import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { EXAMPLE_RUNBOOKS } from '../../../../cli/dev/examples.ts';
import { canonicalText } from '../../../../src/runbook/canonical-text.ts';
import { loadRunbookFile } from '../../../../src/runbook/load.ts';
import { parseRunbook } from '../../../../src/runbook/parse.ts';
import type { Json } from '../../../../src/json.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';

/** What a text is read as, without a warning. */
function reading(text: string): Runbook {
  const parsed = parseRunbook(text, { file: 'a.yaml', format: 'yaml' });
  expect(parsed).toMatchObject({ ok: true });
  const readings = parsed.warnings.filter(({ message }) => /^is written .* as text/.test(message));
  expect(readings).toEqual([]);
  return (parsed as { runbook: Runbook }).runbook;
}

/** The same content with its keys in another order, as Postgres keeps it. */
function shuffled(value: Json): Json {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, one]) => [key, shuffled(one)] as const);
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => a.length - b.length || (a < b ? -1 : 1)),
  );
}

describe('the canonical text of a runbook', () => {
  it.each(EXAMPLE_RUNBOOKS.filter((file) => !file.endsWith('.ts')))(
    'of %s reads as the same runbook, in whatever order its keys are',
    async (file) => {
      const loaded = await loadRunbookFile(file);
      if (!loaded.ok) throw new Error(file);
      const [runbook] = loaded.runbooks as [Runbook];
      const text = canonicalText(runbook);
      expect(reading(text)).toEqual(runbook);
      expect(canonicalText(shuffled(runbook as unknown as Json) as unknown as Runbook)).toBe(text);
    },
  );

  it('has one field a line, in the order of the schemas', () => {
    const runbook: Runbook = {
      cells: [
        {
          timeout: '1s',
          exec: { http: { body: { b: 1, a: 'yes' }, url: 'http://a.example', method: 'POST' } },
          id: 'call',
          title: 'Call',
        },
        { prose: '# Two\n\nlines', id: 'text' },
      ],
      inputs: [],
      version: 1,
      runbook: 'a',
    };
    expect(canonicalText(runbook)).toBe(`runbook: a
version: 1
inputs: []
cells:
  - id: call
    title: Call
    exec:
      http:
        method: POST
        url: http://a.example
        body:
          a: "yes"
          b: 1
    timeout: 1s
  - id: text
    prose: |-
      # Two

      lines
`);
  });

  it('keeps every text and every value', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc
        .array(
          fc.constantFrom(
            'a',
            ' ',
            '\n',
            '\r\n',
            '\t',
            '- ',
            ': ',
            '#',
            '"',
            "'",
            '|',
            '>',
            '0755',
            'no',
            '---',
          ),
        )
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, fc.jsonValue({ maxDepth: 3 }), (prose, body) => {
        const clean = JSON.parse(
          JSON.stringify(body).replaceAll('__proto__', 'proto').replaceAll('${', '$ {'),
        ) as Json;
        const runbook: Runbook = {
          runbook: 'a',
          version: 1,
          inputs: [],
          cells: [
            { id: 'text', prose },
            {
              id: 'call',
              exec: { http: { method: 'POST', url: 'http://a.example', body: clean } },
            },
          ],
        };
        fc.pre(!JSON.stringify(runbook).includes('\\u0000') && !/\p{Surrogate}/u.test(prose));
        expect(reading(canonicalText(runbook))).toEqual(runbook);
      }),
      {
        numRuns: 300,
        examples: [
          [' \n', ''],
          ['\n  a', 'b \nc'],
        ],
      },
    );
  });
});
