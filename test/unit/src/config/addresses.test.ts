import { describe, expect, it } from 'vitest';

import { etcdAddress, natsAddress, postgresAddress } from '../../../../src/config/addresses.ts';

const EXAMPLE = 'postgres://leasehold_app:password@127.0.0.1:5432/leasehold';
const shown = (address: ReturnType<typeof etcdAddress>): string =>
  address.ok ? address.url : `! ${address.problem}`;

describe('an etcd address', () => {
  it.each([
    ['http://127.0.0.1:2379', 'http://127.0.0.1:2379'],
    ['http://127.0.0.1:2379/', 'http://127.0.0.1:2379'],
    ['HTTP://Etcd.example:2379', 'http://etcd.example:2379'],
    ['http://etcd', 'http://etcd:2379'],
    ['http://etcd:80', 'http://etcd:80'],
    ['https://etcd:443/', 'https://etcd:443'],
    ['http://[::1]:2379/', 'http://[::1]:2379'],
    ['http://[::1]', 'http://[::1]:2379'],
  ])('%s is taken as %s', (text, url) => {
    expect(shown(etcdAddress(text))).toBe(url);
  });

  it.each([
    ['127.0.0.1:2379', /must be a URL/],
    ['http://a:2379 http://b:2379', /must be a URL/],
    ['http://a b:2379', /must be a URL/],
    ['http://::1:2379', /must be a URL/],
    ['http://a:2379;http://b:2379', /must be a URL/],
    ['http://root:secret@etcd:2379', /LEASEHOLD_ETCD_USERNAME/],
    ['http://etcd:2379/v3', /has a path/],
    ['http://etcd:2379?a=1', /has a \?/],
    ['http://', /must be a URL/],
  ])('%s is rejected', (text, problem) => {
    expect(shown(etcdAddress(text))).toMatch(problem);
    expect(shown(etcdAddress(text))).toMatch(/^! /);
  });
});

describe('a NATS address', () => {
  it.each([
    ['nats://127.0.0.1:4222/', 'nats://127.0.0.1:4222'],
    ['nats://nats', 'nats://nats'],
    ['tls://nats:4222', 'tls://nats:4222'],
    ['nats://[::1]:4222', 'nats://[::1]:4222'],
  ])('%s is taken as %s', (text, url) => {
    expect(shown(natsAddress(text))).toBe(url);
  });

  it.each([
    ['nats://user:secret@nats:4222', /LEASEHOLD_NATS_USERNAME/],
    ['nats://nats:4222/x', /has a path/],
    ['nats:4222', /names no host|must be a URL/],
    ['nats://a:1 nats://b:2', /must be a URL/],
    ['http://nats:4222', /must be a URL/],
  ])('%s is rejected', (text, problem) => {
    expect(shown(natsAddress(text))).toMatch(problem);
    expect(shown(natsAddress(text))).toMatch(/^! /);
  });
});

describe('a Postgres address', () => {
  it.each([
    ['postgres://app@127.0.0.1:5432/leasehold', 'postgres://app@127.0.0.1:5432/leasehold'],
    ['postgres://app@127.0.0.1:5432/leasehold/', 'postgres://app@127.0.0.1:5432/leasehold'],
    ['postgresql://app@[::1]/leasehold', 'postgresql://app@[::1]/leasehold'],
    ['postgres:///leasehold?host=/run/postgresql', 'postgres:///leasehold?host=/run/postgresql'],
    [
      'postgres://app:a%2Cb%20c@h/db/?sslmode=require',
      'postgres://app:a%2Cb%20c@h/db?sslmode=require',
    ],
  ])('%s is taken as %s', (text, url) => {
    expect(shown(postgresAddress(text, EXAMPLE))).toBe(url);
  });

  it.each([
    ['postgres://app@a,b/leasehold', /several hosts/],
    ['postgres://app@a:5432,b:5432/leasehold', /several hosts/],
    ['postgres://app@127.0.0.1:5432', /names no database/],
    ['postgres://app@127.0.0.1:5432/', /names no database/],
    ['postgres://app@h/a/b', /one database/],
    ['postgres:///leasehold', /names no host/],
    ['postgres://app:pa#ss@h/leasehold', /must be a URL|names no|%23/],
    ['postgres://a b@h/leasehold', /must be a URL/],
    ['mysql://h/leasehold', /must be a URL/],
  ])('%s is rejected', (text, problem) => {
    expect(shown(postgresAddress(text, EXAMPLE))).toMatch(problem);
    expect(shown(postgresAddress(text, EXAMPLE))).toMatch(/^! /);
  });
});
