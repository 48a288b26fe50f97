import { describe, expect, it } from 'vitest';

import type { Json } from '../../../../src/json.ts';
import { fillUrl, urlPlaces } from '../../../../src/runbook/url-template.ts';

function filled(template: string, ...values: Json[]): string {
  const result = fillUrl(template, {
    inputs: Object.fromEntries(values.map((value, i) => [String.fromCharCode(97 + i), value])),
    outputs: {},
  });
  return result.ok ? result.url : `refused: ${result.message}`;
}

describe('a value in the path', () => {
  const url = 'https://shop.example/orders/${inputs.a}/cancel';

  it.each([
    ['7', '7'],
    ['7/../8', '7%2F..%2F8'],
    ['../8', '..%2F8'],
    ['7?admin=1#x', '7%3Fadmin%3D1%23x'],
    ['a b+c%2F', 'a%20b%2Bc%252F'],
    ["(it's*)!", '%28it%27s%2A%29%21'],
    ['\\..\\8', '%5C..%5C8'],
    ['größe\t\n', 'gr%C3%B6%C3%9Fe%09%0A'],
    ['...', '...'],
    [7, '7'],
    [{ a: [1] }, '%7B%22a%22%3A%5B1%5D%7D'],
  ])('is one segment: %j', (value, segment) => {
    const result = filled(url, value);
    expect(result).toBe(`https://shop.example/orders/${segment}/cancel`);
    expect(new URL(result).href).toBe(result);
  });

  it.each(['.', '..', '%2e', '%2E%2e', '.%2e'])('is refused if it is %j', (value) => {
    expect(filled(url, value)).toBe(
      `refused: \${inputs.a} would make ${JSON.stringify(value)} a segment of the path, which leads elsewhere`,
    );
  });

  it.each([
    ['https://h/files/.${inputs.a}', '.'],
    ['https://h/files/.${inputs.a}', ''],
    ['https://h/files/${inputs.a}.', '.'],
    ['https://h/files/%2e${inputs.a}/x', '.'],
    ['https://h/files/.\t${inputs.a}', '.'],
    ['https://h\\files\\.${inputs.a}', '.'],
    ['${inputs.b}/.${inputs.a}/x', '.', 'https://h'],
  ])('is refused if it makes a dot segment with the text around it: %s', (template, ...values) => {
    expect(filled(template, ...values)).toMatch(/^refused: \$\{inputs\.a\} would make/);
  });

  it('is refused if it makes a dot segment with another value', () => {
    expect(filled('https://h/${inputs.a}${inputs.b}/x', '.', '.')).toMatch(/^refused/);
    expect(filled('https://h/${inputs.a}${inputs.b}/x', '.', 'b')).toBe('https://h/.b/x');
  });

  it('is refused if it leaves its segment empty', () => {
    expect(filled(url, '')).toBe(
      'refused: ${inputs.a} is empty, and a segment of the path must not be',
    );
    expect(filled('https://h/v${inputs.a}/x', '')).toBe('https://h/v/x');
  });

  it('is refused if it is half a character', () => {
    expect(filled(url, 'a\uD800')).toBe('refused: ${inputs.a} is not valid Unicode text');
  });
});

describe('a value in the query or the fragment', () => {
  it('is one value there, and may be anything', () => {
    const result = filled('https://h/a?q=${inputs.a}&r=${inputs.b}#${inputs.c}', 'x&r=1', '', '..');
    expect(result).toBe('https://h/a?q=x%26r%3D1&r=#..');
    expect(filled('https://h?q=${inputs.a}', "../'#")).toBe('https://h?q=..%2F%27%23');
  });
});

describe('a value in the host', () => {
  it('has letters, digits and hyphens only', () => {
    const url = 'https://${inputs.a}.shop.example/orders';
    expect(filled(url, 'eu-1')).toBe('https://eu-1.shop.example/orders');
    for (const value of [
      '',
      'evil.example/',
      'a.b',
      'a@b',
      'a:1',
      '%2e',
      'ü',
      'x#',
      'x'.repeat(64),
    ])
      expect(filled(url, value)).toMatch(/^refused: \$\{inputs\.a\} stands in the host/);
  });

  it.each([
    ['https://shop.example:${inputs.a}/orders', 'the port'],
    ['https://[${inputs.a}]/orders', 'the port or the IP address'],
    ['https://${inputs.a}@shop.example/orders', 'the user or password'],
    ['https://me:${inputs.a}@shop.example/orders', 'the user or password'],
    ['http${inputs.a}://shop.example/orders', 'before ://'],
    ['//${inputs.a}/orders', 'before ://'],
    ['http:/${inputs.a}/orders', 'before ://'],
  ])('is refused in another part of the authority, whatever it is: %s', (url, where) => {
    expect(filled(url, '1')).toContain(`refused: \${inputs.a} stands`);
    expect(filled(url, '1')).toContain(where);
  });
});

describe('a value at the very start', () => {
  it('is an origin or a URL, inserted as it is', () => {
    expect(filled('${inputs.a}/effects', 'http://127.0.0.1:80')).toBe(
      'http://127.0.0.1:80/effects',
    );
    expect(filled('${inputs.a}/effects', 'https://h/base')).toBe('https://h/base/effects');
    expect(filled('${inputs.a}', 'https://h/x?q=1#f')).toBe('https://h/x?q=1#f');
    expect(filled('${inputs.a}://h/x', 'https')).toBe('https://h/x');
    expect(filled('${inputs.a}:8080/x', 'http://h')).toBe('http://h:8080/x');
    expect(filled('${inputs.a}?q=${inputs.b}', 'http://h/x', '&')).toBe('http://h/x?q=%26');
  });

  it.each([
    ['${inputs.a}/effects', 'http://h?x='],
    ['${inputs.a}/effects', 'http://h#'],
    ['${inputs.a}/effects', 'http://h/ '],
    ['${inputs.a}/effects', 'http:\\\\h'],
    ['${inputs.a}/effects', 'http:h'],
    ['${inputs.a}/effects', 'file:///etc'],
    ['${inputs.a}/effects', 'h'],
    ['${inputs.a}://h/x', 'https://evil.example/?'],
    ['${inputs.a}:8080/x', 'http://h/y'],
    ['${inputs.a}.example/x', 'http://evil.example#'],
    ['${inputs.a}', 'ftp://h'],
    ['${inputs.a}', 7],
  ])('is refused if it swallows or changes the rest of %s: %j', (template, value) => {
    expect(filled(template, value)).toMatch(/^refused: \$\{inputs\.a\} must/);
  });

  it('is not continued by another value', () => {
    expect(filled('${inputs.a}${inputs.b}', 'http://h', '/x')).toBe(
      'refused: ${inputs.b} continues the host that another placeholder begins: put a / before it',
    );
    expect(filled('${inputs.a}.${inputs.b}/x', 'http://h', 'evil')).toMatch(/^refused/);
  });
});

it('a URL without placeholders stays as it is', () => {
  expect(filled('https://h/a/../b')).toBe('https://h/a/../b');
});

it('a value that is missing is named', () => {
  expect(filled('https://h/${inputs.a}')).toBe(
    'refused: ${inputs.a} cannot be filled: inputs has no a',
  );
});

it('each placeholder has its place', () => {
  const url =
    'https://${inputs.a}.h/x${inputs.b}/${outputs.c.d}?${inputs.e}=${inputs.f}#${inputs.g}';
  expect(urlPlaces(url).map(({ place }) => place)).toEqual([
    'host',
    'path',
    'path',
    'query',
    'query',
    'fragment',
  ]);
});
