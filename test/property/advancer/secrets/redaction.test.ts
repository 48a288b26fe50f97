import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { Redaction } from '../../../../advancer/secrets/redaction.ts';
import { readSecret } from '../../../../src/config/secret-sources.ts';
import { formsToPrint, tracesOf } from '../../../harness/secret-hunt.ts';

/** Characters that encodings treat in different ways, and a few that they leave alone. */
const CHARACTERS = [...'aZ09-_.~+/=%&?"\'\\<>#:@ \n\r\tnux{}[],é日\u0001'.split(''), '🔑'];
const character = fc.constantFrom(...CHARACTERS);
const text = (constraints: fc.StringConstraints): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ ...constraints, unit: character }),
    fc.string({ ...constraints, unit: 'binary' }),
    fc.string(constraints),
  );
const secret = text({ minLength: 8, maxLength: 40 }).filter((value) => readSecret(value).ok);
const secrets = fc.uniqueArray(secret, { minLength: 1, maxLength: 4 });
const forms = Object.keys(formsToPrint('a secret'));

/** The hunter's own decoding must find the form, or the test would show nothing. */
function isVisible(value: string, form: string): boolean {
  return tracesOf({ value }, [['form', form]]).length > 0;
}

test('no secret survives, however it is encoded and whatever stands around it', () => {
  let seen = 0;
  fc.assert(
    fc.property(
      secrets,
      fc.array(fc.tuple(fc.nat(), fc.constantFrom(...forms), text({ maxLength: 20 })), {
        minLength: 1,
        maxLength: 4,
      }),
      text({ maxLength: 20 }),
      (values, pieces, first) => {
        const redaction = new Redaction(values.map((value, n) => ({ name: `S${n}`, value })));
        let whole = first;
        for (const [n, form, after] of pieces) {
          const value = values[n % values.length] ?? '';
          const printed = formsToPrint(value)[form] ?? '';
          if (isVisible(value, printed)) seen += 1;
          // Behind half of an encoded character, nothing could be decoded twice.
          if (form === 'percent twice') whole = whole.replace(/%[0-9a-f]?$/i, '');
          whole += printed + after;
        }
        const known = Object.fromEntries(values.map((value, n) => [`S${n}`, value]));
        const redacted = redaction.text(whole);
        expect(tracesOf(known, [['text', redacted]])).toEqual([]);
        for (const [n, form] of pieces) {
          const printed = formsToPrint(values[n % values.length] ?? '')[form] ?? '';
          expect(redacted).not.toContain(printed);
        }
      },
    ),
    { numRuns: 2_000 },
  );
  expect(seen).toBeGreaterThan(2_000);
});

test('the same in JSON, which is redacted as text, parsed, and redacted again', () => {
  fc.assert(
    fc.property(secrets, fc.json({ maxDepth: 3 }), fc.nat(), (values, json, n) => {
      const redaction = new Redaction(values.map((value, at) => ({ name: `S${at}`, value })));
      const value = values[n % values.length] ?? '';
      const whole = JSON.stringify({
        before: JSON.parse(json) as unknown,
        [value]: { deep: [value] },
      });
      const redacted = redaction.jsonText(whole);
      const known = Object.fromEntries(values.map((one, at) => [`S${at}`, one]));
      expect(tracesOf(known, [['json', redacted]])).toEqual([]);
    }),
    { numRuns: 1_000 },
  );
});

test('a text without a secret stays as it is, unless it looks like an encoding of one', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (whole) => {
      const redaction = new Redaction([{ name: 'S', value: 'Zq8-vW3_kT7' }]);
      expect(redaction.text(whole)).toBe(whole);
    }),
    { numRuns: 2_000 },
  );
});

test('wherever a text is cut, no significant part of a secret survives', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z0-9]{24}$/),
      fc.string({ maxLength: 30 }),
      fc.string({ maxLength: 30 }),
      fc.nat(),
      (value, before, after, at) => {
        const redaction = new Redaction([{ name: 'S', value }]);
        const whole = before + value + after;
        const place = at % (whole.length + 1);
        const head = redaction.text(whole.slice(0, place), true);
        const tail = redaction.textFrom(whole, place, false);
        for (let start = 0; start + 5 <= value.length; start += 1) {
          const part = value.slice(start, start + 5);
          if (before.includes(part) || after.includes(part)) continue;
          expect(head).not.toContain(part);
          expect(tail).not.toContain(part);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
