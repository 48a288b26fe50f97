import { describe, expect, it } from 'vitest';

import { withoutCredentials } from '../../../src/redaction.ts';

describe('a text without credentials', () => {
  it.each([
    ['nats://a:hunter2@h:4222', 'nats://a:***@h:4222'],
    ['nats://s3cr3t-token@h:4222', 'nats://***@h:4222'],
    ['nats://a:hunter2@h,nats://b:hunter2@i', 'nats://a:***@h,nats://b:***@i'],
    ['https://root:hunter2@etcd:2379/', 'https://root:***@etcd:2379/'],
    [
      'postgres://app:hunter2@[::1]:5432/db?sslmode=require',
      'postgres://app:***@[::1]:5432/db?sslmode=require',
    ],
    ['postgres://app@h/db', 'postgres://app@h/db'],
    [
      'postgres:///db?host=/run&user=a&password=hunter2',
      'postgres:///db?host=/run&user=a&password=***',
    ],
    ['postgres://h/db?sslpassword=hunter2&sslkey=/k', 'postgres://h/db?sslpassword=***&sslkey=/k'],
    [
      'https://h/x?api_key=hunter2&access_token=hunter2#a',
      'https://h/x?api_key=***&access_token=***#a',
    ],
    ['"u:hunter2@h" is no URL', '"u:***@h" is no URL'],
    // Nobody encoded these passwords.
    ['postgres://app:hun/ter2@h/db', 'postgres://app:***@h/db'],
    ['postgres://app:hunter2?@h/db', 'postgres://app:***@h/db'],
    ['postgres://app:hunter2#1@h/db', 'postgres://app:***@h/db'],
    ['nats://a:p@ss@h:4222', 'nats://a:***@h:4222'],
    ['mysql://u:12/34@h', 'mysql://u:***@h'],
    [
      'cannot reach (tls://a:hunter2@h:1); see "http://b:hunter2@i"',
      'cannot reach (tls://a:***@h:1); see "http://b:***@i"',
    ],
  ])('shows %s as %s', (text, shown) => {
    expect(withoutCredentials(text)).toBe(shown);
  });

  it.each([
    'nothing to hide: a@b, c://',
    'nats://127.0.0.1:4222',
    'https://h.example/users/@me?mail=a@b',
    'http://[::1]:2379',
    'file:///etc/x@1.0.0/y',
    'at 10:30, a@b',
    'pkg@1.2.3',
  ])('leaves %s as it is', (text) => {
    expect(withoutCredentials(text)).toBe(text);
  });
});
