import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { fill } from '../../../../src/runbook/placeholder.ts';
import { fillUrl } from '../../../../src/runbook/url-template.ts';

/** Text that is likely to mean something in a URL, and any other text. */
const value = fc.oneof(
  fc
    .array(
      fc.constantFrom('.', '..', '/', '\\', '%2e', '%2E', '%2f', '%', '?', '#', '@', ':', '&', '='),
      { maxLength: 6 },
    )
    .map((parts) => parts.join('')),
  fc
    .array(fc.constantFrom('.', '/', '7', ' ', '\t', '\r\n', '\0', '%2e', '//evil.example'), {
      maxLength: 6,
    })
    .map((parts) => parts.join('')),
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
);

/** What an author may write in a path segment. */
const authorText = fc.constantFrom('orders', 'v', '.', '%2e', 'a-b', '~', '%20', '');

interface Template {
  url: string;
  /** One per segment: the author's text, or undefined where a value is a part of it. */
  literals: (string | undefined)[];
}

/** `https://shop.example/…` with values somewhere in its path, its query and its fragment. */
const template: fc.Arbitrary<Template> = fc
  .record({
    segments: fc.array(
      fc.oneof(
        fc.constantFrom('orders', 'cancel', 'x.y').map((text) => ({ text, isLiteral: true })),
        fc
          .tuple(authorText, fc.constantFrom('a', 'b'), authorText)
          .map(([before, name, after]) => ({
            text: `${before}\${inputs.${name}}${after}`,
            isLiteral: false,
          })),
      ),
      { minLength: 1, maxLength: 5 },
    ),
    query: fc.constantFrom('', '?q=${inputs.a}', '?${inputs.b}=1&r=${inputs.a}', '?x#${inputs.a}'),
  })
  .map(({ segments, query }) => ({
    url: `https://shop.example:8443/${segments.map(({ text }) => text).join('/')}${query}`,
    literals: segments.map(({ text, isLiteral }) => (isLiteral ? text : undefined)),
  }));

type Fill = (url: string, inputs: { a: string; b: string }) => string | undefined;

const byPosition: Fill = (url, inputs) => {
  const filled = fillUrl(url, { inputs, outputs: {} });
  return filled.ok ? filled.url : undefined;
};

/** Whether the filled URL leads where its author wrote. */
function keepsRoute(fillTemplate: Fill) {
  return fc.property(template, value, value, ({ url, literals }, a, b) => {
    const filled = fillTemplate(url, { a, b });
    if (filled === undefined) return;
    const read = new URL(filled);
    expect(read.origin).toBe('https://shop.example:8443');
    expect(read.username + read.password).toBe('');
    const segments = read.pathname.split('/').slice(1);
    expect(segments).toHaveLength(literals.length);
    expect(segments.map((text, i) => (literals[i] === undefined ? undefined : text))).toEqual(
      literals,
    );
  });
}

const RUNS = { numRuns: 2_000 };

describe('whatever its inputs are, a URL', () => {
  it('keeps its origin, and the number and the names of its path segments', () => {
    expect(fc.check(keepsRoute(byPosition), RUNS)).toMatchObject({ failed: false });
  });

  it('keeps its origin where a value is a part of the host', () => {
    fc.assert(
      fc.property(value, (a) => {
        const filled = byPosition('https://${inputs.a}.shop.example/orders/7', { a, b: '' });
        if (filled === undefined) return;
        const read = new URL(filled);
        expect(read.host).toBe(`${a.toLowerCase()}.shop.example`);
        expect(read.pathname).toBe('/orders/7');
      }),
      RUNS,
    );
  });

  it('ends in the path of its author where a value chooses the origin', () => {
    const base = fc.oneof(
      value,
      fc
        .tuple(fc.constantFrom('http://h', 'https://h:8/b', 'http://u:p@h'), value)
        .map((t) => t.join('')),
    );
    fc.assert(
      fc.property(base, value, (a, b) => {
        const filled = byPosition('${inputs.a}/orders/${inputs.b}/cancel?q=1', { a, b });
        if (filled === undefined || !URL.canParse(filled)) return;
        const read = new URL(filled);
        expect(read.pathname).toMatch(/\/orders\/[^/]+\/cancel$/);
        expect(read.search).toBe('?q=1');
        expect(read.origin).toBe(new URL(a).origin);
      }),
      RUNS,
    );
  });

  it('is changed where values are inserted as they are: the property sees that', () => {
    const asTheyAre: Fill = (url, inputs) => {
      const filled = fill(url, { inputs, outputs: {} });
      const text = filled.ok && typeof filled.value === 'string' ? filled.value : '';
      return URL.canParse(text) ? text : undefined;
    };
    expect(fc.check(keepsRoute(asTheyAre), RUNS).failed).toBe(true);
    // Encoding alone is not enough: a URL parser resolves %2E%2E.
    const encode = (text: string): string =>
      encodeURIComponent(text.replace(/\p{Surrogate}/gu, '')).replaceAll('.', '%2E');
    const encoded: Fill = (url, { a, b }) => asTheyAre(url, { a: encode(a), b: encode(b) });
    expect(fc.check(keepsRoute(encoded), RUNS).failed).toBe(true);
  });
});

describe('the receiver', () => {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    response.end();
  });
  let origin = '';
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.close();
    server.closeAllConnections();
  });

  it('gets exactly the value after decoding', async () => {
    await fc.assert(
      fc.asyncProperty(value, value, async (a, b) => {
        const filled = byPosition(`${origin}/orders/\${inputs.a}/cancel?q=\${inputs.b}`, { a, b });
        if (filled === undefined) return;
        paths.length = 0;
        await fetch(filled);
        const [path = '', query = ''] = paths[0]?.split('?') ?? [];
        const [, orders, order = '', cancel, ...rest] = path.split('/');
        expect([orders, decodeURIComponent(order), cancel, rest]).toEqual([
          'orders',
          a,
          'cancel',
          [],
        ]);
        expect(new URLSearchParams(query).get('q')).toBe(b);
      }),
      { numRuns: 300 },
    );
  });

  it('gets every value, except those that are no segment or no text', () => {
    fc.assert(
      fc.property(value, (a) => {
        const refused =
          byPosition('https://h/orders/${inputs.a}/cancel', { a, b: '' }) === undefined;
        const isText = !/\p{Surrogate}/u.test(a);
        expect(refused).toBe(!isText || /^(\.|%2e){0,2}$/i.test(a));
      }),
      RUNS,
    );
  });
});
