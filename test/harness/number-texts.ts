import * as fc from 'fast-check';

import type { Json } from '../../src/json.ts';

const digits = (most: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...Array.from('0123456789')), minLength: 1, maxLength: most });

const whole = fc.oneof(
  fc.constant('0'),
  fc
    .tuple(fc.constantFrom(...Array.from('123456789')), digits(25))
    .map(([first, rest]) => first + rest),
  // Around the largest integers that are exact, and where printing changes to an exponent.
  fc.bigInt(2n ** 53n - 5n, 2n ** 53n + 5n).map(String),
  fc.bigInt(10n ** 21n - 3n, 10n ** 21n + 3n).map(String),
);

/** A number as JSON writes it: long and short, with and without a fraction and an exponent. */
export const numberText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('0', '-0', '1.10', '0.1', '12345678901234567890', '1e400', '1234e56', '-0.0e5'),
  fc.constantFrom('0.10000000000000000555', '5e-324', '3e-324', '1e-400', '1.7976931348623157e308'),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  fc
    .tuple(
      fc.constantFrom('', '-'),
      whole,
      fc.option(digits(20), { nil: undefined }),
      fc.option(fc.tuple(fc.constantFrom('e', 'E', 'e+', 'E-', 'e-'), digits(3)), {
        nil: undefined,
        freq: 3,
      }),
    )
    .map(
      ([sign, before, after, exponent]) =>
        `${sign}${before}${after === undefined ? '' : `.${after}`}${exponent?.join('') ?? ''}`,
    ),
);

/** A JSON text, and the source of each of its numbers by the path to it, joined by line breaks. */
export interface NumbersText {
  text: string;
  sources: ReadonlyMap<string, string>;
}

type Tree =
  { number: string } | { other: Json } | { items: Tree[] } | { members: [string, Tree][] };

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    numberText.map((number) => ({ number })),
    fc
      .oneof(fc.string(), fc.constantFrom<Json>(null, true, '12345678901234567890', ', 1e400'))
      .map((other) => ({ other })),
    fc.array(tie('tree'), { maxLength: 5 }).map((items) => ({ items })),
    fc
      .uniqueArray(fc.tuple(fc.stringMatching(/^[a-z/~]{1,4}$/), tie('tree')), {
        maxLength: 5,
        selector: ([key]) => key,
      })
      .map((members) => ({ members })),
  ),
}));

/** A JSON text with numbers of all kinds in all places. */
export const jsonText: fc.Arbitrary<NumbersText> = fc
  .tuple(tree, fc.constantFrom('', ' ', '\n\t', '\r\n'))
  .map(([top, space]) => {
    const sources = new Map<string, string>();
    const write = (at: Tree, path: readonly string[]): string => {
      if ('number' in at) {
        sources.set(path.join('\n'), at.number);
        return at.number;
      }
      if ('other' in at) return JSON.stringify(at.other);
      if ('items' in at)
        return `[${space}${at.items.map((item, i) => write(item, [...path, String(i)])).join(`${space},`)}]`;
      return `{${at.members
        .map(
          ([key, member]) =>
            `${space}${JSON.stringify(key)}${space}:${write(member, [...path, key])}`,
        )
        .join(',')}${space}}`;
    };
    return { text: `${space}${write(top, [])}${space}`, sources };
  });

/** Whether two decimal numbers have the same value, by exact arithmetic. */
export function sameValue(a: string, b: string): boolean {
  const [left, right] = [fractionOf(a), fractionOf(b)];
  if (left.digits === 0n || right.digits === 0n) return left.digits === right.digits;
  // Powers of ten as far apart as this make two numbers of these lengths differ.
  if (Math.abs(left.power - right.power) > 2_000) return false;
  const power = Math.min(left.power, right.power);
  const scaled = ({ digits: all, power: own }: Fraction): bigint =>
    all * 10n ** BigInt(own - power);
  return scaled(left) === scaled(right);
}

/** `digits` times ten to the `power`. */
interface Fraction {
  digits: bigint;
  power: number;
}

function fractionOf(text: string): Fraction {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [before = '', after = ''] = mantissa.split('.');
  return { digits: BigInt(before + after), power: Number(exponent) - after.length };
}
