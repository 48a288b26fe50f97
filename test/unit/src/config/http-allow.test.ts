import { describe, expect, it } from 'vitest';

import {
  ALLOW_EVERYWHERE,
  callRefusal,
  parseHttpAllow,
  type HttpAllow,
} from '../../../../src/config/http-allow.ts';

/** The entries of a list without problems. */
function entriesOf(list: string | undefined): HttpAllow {
  if (list === undefined) return undefined;
  const { entries, problems } = parseHttpAllow(list);
  if (problems.length > 0) throw new Error(problems.join());
  return entries;
}

/** Whether a call is allowed; the address is that of the URL's host unless it is given. */
function allowed(list: string | undefined, url: string, address?: string): boolean {
  const target = new URL(url);
  const host = target.hostname.replace(/[[\]]/g, '');
  const call = { url: target, address: address ?? host };
  return callRefusal(entriesOf(list), call) === undefined;
}

/** Addresses that lead back into the replica's machine or its platform. */
const LOCAL = [
  '127.0.0.1',
  '127.255.255.254',
  '::1',
  '::ffff:127.0.0.1',
  '::127.0.0.1',
  '64:ff9b::169.254.169.254',
  '2002:7f00:1::1',
  '0.0.0.0',
  '0.1.2.3',
  '::',
  '169.254.169.254',
  '169.254.0.1',
  'fe80::1',
  'fe80::1%eth0',
  'febf::1',
  'fd00:ec2::254',
  'fd20:ce::254',
  '100.100.100.200',
  '192.0.0.192',
  '168.63.129.16',
];

const PUBLIC = ['93.184.216.34', '2606:2800:220:1::1', '128.0.0.1', '169.253.255.255', 'fec0::1'];
const PRIVATE = ['10.1.2.3', '172.16.0.1', '192.168.1.1', 'fd00::7'];

describe('without a list', () => {
  it.each(LOCAL)('a name that leads to %s is refused', (address) => {
    expect(allowed(undefined, 'https://shop.example/', address)).toBe(false);
  });

  it.each([...PUBLIC, ...PRIVATE])('a name that leads to %s is allowed', (address) => {
    expect(allowed(undefined, 'https://shop.example/', address)).toBe(true);
  });

  it.each(['http://127.1/', 'http://2130706433/', 'http://0x7f.1/', 'http://[::ffff:7f00:1]/'])(
    'an address in any spelling is refused: %s',
    (url) => {
      expect(allowed(undefined, url)).toBe(false);
    },
  );

  it('the refusal says which variable would permit it', () => {
    const url = new URL('http://localhost:8080/x');
    expect(callRefusal(undefined, { url, address: '127.0.0.1' })).toBe(
      'localhost:8080 (at 127.0.0.1) is a loopback address, which cells may not call: ' +
        'a replica permits it only if its LEASEHOLD_HTTP_ALLOW lists 127.0.0.1',
    );
  });

  it('what is not an address is refused', () => {
    expect(allowed(undefined, 'https://shop.example/', 'nonsense')).toBe(false);
  });
});

describe('with a list', () => {
  it('only what it lists is allowed, private addresses included', () => {
    const all = [...LOCAL, ...PUBLIC, ...PRIVATE];
    const under = (list: string): string[] =>
      all.filter((address) => allowed(list, 'https://shop.example/', address));
    expect(under('203.0.113.7')).toEqual([]);
    expect(under(ALLOW_EVERYWHERE)).toEqual(all);
  });

  it.each([
    // Networks.
    ['10.0.0.0/8', 'http://10.255.0.1/', true],
    ['10.0.0.0/8', 'http://11.0.0.1/', false],
    ['127.0.0.1/8', 'http://127.9.9.9:81/', true],
    ['fd00::/8', 'http://[fd12::1]/', true],
    ['fd00::/8', 'http://[fe12::1]/', false],
    ['::ffff:10.0.0.0/104', 'http://10.1.1.1/', true],
    ['10.0.0.0/8', 'http://[::ffff:a00:1]/', true],
    // Addresses, with and without a port.
    ['127.0.0.1', 'http://127.0.0.1:8080/', true],
    ['127.0.0.1:8080', 'http://127.0.0.1:8080/', true],
    ['127.0.0.1:8080', 'http://127.0.0.1:8081/', false],
    ['127.0.0.1:8080', 'https://127.0.0.1:8080/', true],
    ['::1', 'http://[::1]:5/', true],
    ['[::1]:5', 'http://[::1]:5/', true],
    ['[::1]:5', 'http://[::1]:6/', false],
    // Origins.
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080/x', true],
    ['http://127.0.0.1:8080/', 'http://127.0.0.1:8080/x', true],
    ['http://127.0.0.1:8080', 'https://127.0.0.1:8080/x', false],
    ['http://127.0.0.1', 'http://127.0.0.1:8080/', false],
    ['https://[fd00::1]:8443', 'https://[fd00::1]:8443/', true],
    ['HTTP://127.0.0.1:80', 'http://127.0.0.1/', true],
  ])('%s and %s: %j', (list, url, expected) => {
    expect(allowed(list, url)).toBe(expected);
  });

  it.each([
    ['shop.example', 'https://shop.example/', true],
    ['Shop.Example.', 'https://shop.example./', true],
    ['shop.example', 'https://eu.shop.example/', false],
    ['*.shop.example', 'https://eu.shop.example/', true],
    ['*.shop.example', 'https://a.eu.shop.example/', true],
    ['*.shop.example', 'https://shop.example/', false],
    ['*.shop.example', 'https://evilshop.example/', false],
    ['*.shop.example:8443', 'https://eu.shop.example/', false],
    ['https://shop.example', 'https://shop.example/', true],
    ['https://shop.example', 'https://shop.example:8443/', false],
    ['https://shop.example', 'http://shop.example:443/', false],
    ['bücher.example', 'https://xn--bcher-kva.example/', true],
    ['a.example, shop.example', 'https://shop.example/', true],
  ])('the name decides where the address is not local: %s and %s: %j', (list, url, expected) => {
    expect(allowed(list, url, '93.184.216.34')).toBe(expected);
    expect(allowed(list, url, '10.0.0.1')).toBe(expected);
  });

  it('a name that is listed does not open a local address, unless that is listed too', () => {
    const opened = LOCAL.filter((address) =>
      allowed('shop.example', 'https://shop.example/', address),
    );
    expect(opened).toEqual([]);
    expect(allowed('shop.example,127.0.0.0/8', 'https://shop.example/', '127.0.0.1')).toBe(true);
    expect(allowed('localhost', 'http://localhost/', '::1')).toBe(true);
    expect(allowed('localhost', 'http://localhost/', '169.254.169.254')).toBe(false);
  });

  it('an address that is listed is reached by any name', () => {
    expect(allowed('127.0.0.1', 'http://localhost:8080/', '127.0.0.1')).toBe(true);
    expect(allowed('127.0.0.1', 'http://localhost:8080/', '::1')).toBe(false);
  });
});

describe('a list that cannot be read', () => {
  it.each([
    [',', /^must list origins .*; it lists nothing$/],
    ['a.example,http://b.example/x', /^entry 2 "http:\/\/b.example\/x" must be an origin, without/],
    ['ftp://a', /^entry 1 "ftp:\/\/a" must begin with http:\/\/ or https:\/\/, not ftp:\/\/$/],
    ['10.0.0.0/33', /^entry 1 "10.0.0.0\/33" must be a network such as/],
    ['10.0.0/8', /^entry 1 "10.0.0\/8" must be a network such as/],
    ['fd00::/129', /^entry 1 "fd00::\/129" must be a network such as/],
    ['a.example/x', /^entry 1 "a.example\/x" has a path: write the host alone, "a.example"$/],
    ['a.example:0', /^entry 1 "a.example:0" must have a port from 1 to 65535/],
    ['a.example:x', /^entry 1 "a.example:x" is neither/],
    ['a.example:65536', /^entry 1 "a.example:65536" must have a port/],
    ['http://::1', /^entry 1 "http:\/\/::1" must have its IPv6 address in brackets/],
    ['fe80::1%eth0', /^entry 1 "fe80::1%eth0" must not have a %/],
    ['*', /^entry 1 "\*" is neither an origin nor a host nor a network/],
    ['a.*.example', /is neither/],
    ['*.127.0.0.1', /must not have \*\. before an address/],
    ['a b', /is neither/],
    ['[::1', /is neither/],
    ['https://', /is neither/],
  ])('is refused by entry: %s', (list, problem) => {
    expect(parseHttpAllow(list).problems).toEqual([expect.stringMatching(problem)]);
  });

  it('does not repeat a password', () => {
    const { problems } = parseHttpAllow('https://me:hunter2@a.example');
    expect(problems).toEqual([
      'entry 1 "https://me:***@a.example" must not have a user or a password',
    ]);
  });
});
