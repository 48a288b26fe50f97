import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { parseOutput, type TextSource } from '../../../advancer/cells/text-output.ts';
import { readEvent } from '../../../src/agent/events.ts';
import { isExact } from '../../../src/exact-number.ts';
import type { Json } from '../../../src/json.ts';
import { parseJsonText } from '../../../src/json-text.ts';
import { StartMessage, readMessage } from '../../../src/request/messages.ts';
import { pointerGet, pointerOf } from '../../../src/runbook/pointer.ts';
import type { OutputMode } from '../../../src/runbook/runbook.ts';
import { jsonText, numberText, sameValue, type NumbersText } from '../../harness/number-texts.ts';

const RUNS = { numRuns: 1_000 };
/** At least this many of the runs must have been about either kind of number. */
const ENOUGH = RUNS.numRuns / 20;

/** Whether printing what JavaScript reads gives the same value, by exact arithmetic. */
function survives(source: string): boolean {
  const value = Number(source);
  return Number.isFinite(value) && sameValue(source, String(value));
}

/** The value at a path whose keys are joined by line breaks. */
function at(value: Json, path: string): Json | undefined {
  const found = pointerGet(value, pointerOf(pathOf(path)));
  return found.found ? found.value : undefined;
}

function pathOf(path: string): string[] {
  return path === '' ? [] : path.split('\n');
}

/** The numbers of the text that are in the value with another value than they were written with. */
function changed(value: Json, { sources }: NumbersText): string[] {
  return [...sources].flatMap(([path, source]) => {
    const found = at(value, path);
    const same = survives(source)
      ? typeof found === 'number' && sameValue(source, JSON.stringify(found))
      : found === source;
    return same ? [] : [`${source} became ${JSON.stringify(found)}`];
  });
}

/** The paths of the numbers that JavaScript would change. */
function lossy({ sources }: NumbersText): string[] {
  return [...sources].filter(([, source]) => !survives(source)).map(([path]) => path);
}

describe('a number', () => {
  it('is exact if and only if exact arithmetic says so', () => {
    const seen = { true: 0, false: 0 };
    fc.assert(
      fc.property(numberText, (source) => {
        const exact = isExact(source);
        seen[`${exact}`] += 1;
        return exact === survives(source);
      }),
      RUNS,
    );
    expect(Math.min(seen.true, seen.false)).toBeGreaterThan(ENOUGH);
  });

  it('that JavaScript printed is always exact', () => {
    const printed = fc.double({ noNaN: true, noDefaultInfinity: true }).map(String);
    expect(() => fc.assert(fc.property(printed, isExact), RUNS)).not.toThrow();
  });

  it('anywhere in a JSON text keeps its value, or its digits as text, and is listed then', () => {
    let kept = 0;
    fc.assert(
      fc.property(jsonText, (written) => {
        const { value, inexact } = parseJsonText(written.text);
        expect(changed(value, written)).toEqual([]);
        expect(inexact.map(({ path }) => path.join('\n'))).toEqual(lossy(written));
        kept += inexact.length;
      }),
      RUNS,
    );
    expect(kept).toBeGreaterThan(ENOUGH);
  });

  it('is the only thing that differs from what JSON.parse gives', () => {
    const keys = fc.constantFrom('a', '__proto__', 'constructor', 'length', '0', 'toString');
    const { tree } = fc.letrec<{ tree: string }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        numberText,
        fc.constantFrom('null', 'true', '"12345678901234567890"', '"a: 1e5, "', '"\\u005f"', '{}'),
        fc
          .array(fc.tuple(keys, tie('tree')), { maxLength: 4 })
          .map((members) => `{${members.map(([k, v]) => `"${k}": ${v}`).join(', ')}}`),
        fc.array(tie('tree'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
      ),
    }));
    const property = fc.property(tree, (text) => {
      const { value, inexact } = parseJsonText(text);
      const whole = { top: value };
      for (const { path, source } of inexact) put(whole, path, Number(source));
      expect(shown(whole.top)).toBe(shown(JSON.parse(text)));
    });
    fc.assert(property, RUNS);
  });
});

/** Puts a value where the path leads, past any setter. */
function put(whole: { top: Json }, path: readonly string[], value: number): void {
  const keys = ['top', ...path];
  const last = keys.pop() ?? '';
  let inside: object = whole;
  for (const key of keys) inside = Object.getOwnPropertyDescriptor(inside, key)?.value as object;
  Object.defineProperty(inside, last, { value, enumerable: true, configurable: true });
}

/** Own keys and values in their order; no -0, which JSON does not know. */
function shown(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return `[${value.map(shown).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, member]) => `${key}:${shown(member)}`);
  return `{${members.join(',')}}`;
}

describe('a message', () => {
  it('is accepted with every number unchanged, or rejected with the field named', () => {
    let rejected = 0;
    fc.assert(
      fc.property(jsonText, (written) => {
        const start = `{"instanceId":"i","runbookId":"r","agentId":"a","inputs":{"x":${written.text}}}`;
        const read = readMessage(StartMessage, new TextEncoder().encode(start));
        const [first] = lossy(written).map((path) => ['inputs', 'x', ...pathOf(path)].join('.'));
        expect(read.ok ? undefined : read.error.field).toBe(first?.slice(0, 128));
        rejected += read.ok ? 0 : 1;
        expect(read.ok ? changed(read.value.inputs['x'] ?? null, written) : []).toEqual([]);
      }),
      RUNS,
    );
    expect(rejected).toBeGreaterThan(ENOUGH);
  });
});

describe("an effect's text", () => {
  it('gives JSON whose numbers are unchanged and listed, or the text itself', () => {
    const modes = fc.constantFrom<OutputMode | undefined>('json', 'text', undefined);
    const places = fc.constantFrom<TextSource>('stdout', 'file', 'body');
    const property = fc.property(jsonText, modes, places, (written, mode, source) => {
      const parsed = parseOutput(written.text, source, mode);
      const container = /^\s*[[{]/.test(written.text);
      const asText = mode === 'text' || (mode === undefined && source !== 'file' && !container);
      expect(parsed.kind).toBe(asText ? 'text' : 'json');
      if (parsed.kind !== 'json') return;
      expect(changed(parsed.value, written)).toEqual([]);
      expect(parsed.numbersAsText).toEqual(lossy(written).map((path) => pointerOf(pathOf(path))));
    });
    fc.assert(property, RUNS);
  });
});

describe('an event', () => {
  it('is read with every number unchanged, or ignored with a reason', () => {
    const property = fc.property(jsonText, (written) => {
      const event = `{"instanceId": "i", "rows": [], "status": "ready", "more": ${written.text}}`;
      const read = readEvent(new TextEncoder().encode(event), 'i');
      expect(read.kind).toBe(lossy(written).length === 0 ? 'result' : 'malformed');
      if (read.kind !== 'result') return;
      const { more } = read.value as unknown as { more: Json };
      expect(changed(more, written)).toEqual([]);
    });
    fc.assert(property, RUNS);
  });
});
