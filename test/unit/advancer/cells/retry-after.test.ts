import { describe, expect, it } from 'vitest';

import { retryAfterMs } from '../../../../advancer/cells/retry-after.ts';

const NOW_MS = Date.parse('2030-01-31T12:00:00Z');

describe('Retry-After', () => {
  it('is seconds, or a date', () => {
    expect(retryAfterMs({ 'retry-after': '120' }, NOW_MS)).toBe(120_000);
    expect(retryAfterMs({ 'retry-after': ' 0 ' }, NOW_MS)).toBe(0);
    expect(retryAfterMs({ 'retry-after': 'Thu, 31 Jan 2030 12:00:30 GMT' }, NOW_MS)).toBe(30_000);
    expect(retryAfterMs({ 'retry-after': 'Thursday, 31-Jan-30 12:00:30 GMT' }, NOW_MS)).toBe(
      30_000,
    );
  });

  it('as a date counts from the receiver’s own clock', () => {
    const headers = {
      'retry-after': 'Thu, 31 Jan 2030 13:00:30 GMT',
      date: 'Thu, 31 Jan 2030 13:00:00 GMT',
    };
    expect(retryAfterMs(headers, NOW_MS)).toBe(30_000);
  });

  it('in the past is no wait', () => {
    expect(retryAfterMs({ 'retry-after': 'Thu, 31 Jan 2030 11:00:00 GMT' }, NOW_MS)).toBe(0);
  });

  it.each([undefined, '', '-1', '1.5', '1e3', 'soon', '2030-01-31', '99999999999'])(
    'of %s is none',
    (text) => {
      expect(retryAfterMs({ 'retry-after': text }, NOW_MS)).toBeUndefined();
    },
  );
});
