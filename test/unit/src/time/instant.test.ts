import { describe, expect, it } from 'vitest';

import { parseDurationMs, parseWaitMs } from '../../../../src/time/duration.ts';
import { instantFault, parseInstant } from '../../../../src/time/instant.ts';

describe('a moment', () => {
  it.each([
    ['2030-01-31T09:00:00Z', '2030-01-31T09:00:00.000000Z'],
    ['2030-01-31T09:00Z', '2030-01-31T09:00:00.000000Z'],
    ['2030-01-31T09:00:00.5+01:30', '2030-01-31T07:30:00.500000Z'],
    ['2030-01-01T00:30:00.123456+01:00', '2029-12-31T23:30:00.123456Z'],
    ['2028-02-29T00:00:00-00:30', '2028-02-29T00:30:00.000000Z'],
  ])('%s is the same everywhere, to the microsecond', (text, utc) => {
    expect(parseInstant(text)).toBe(utc);
    expect(instantFault(text)).toBeUndefined();
  });

  it.each([
    '2030-02-30T00:00:00Z',
    '2029-02-29T00:00:00Z',
    '2030-13-01T00:00:00Z',
    '2030-01-01T24:00:00Z',
    '2030-01-01T23:59:60Z',
    '2030-01-01T00:00:00+24:00',
    '2030-01-01T00:00:00.1234567Z',
    '0000-01-01T00:00:00+00:01',
    '2030-01-31',
    'tomorrow',
    '',
  ])('%s is none', (text) => {
    expect(parseInstant(text)).toBeUndefined();
    expect(instantFault(text)).toBe('must be a time with its zone, such as 2030-01-31T09:00:00Z');
  });

  it('without a zone is none, and the error says how to write it', () => {
    expect(instantFault('2030-01-31T09:00')).toBe(
      'has no zone: write 2030-01-31T09:00Z for UTC, or an offset such as 2030-01-31T09:00+01:00',
    );
  });
});

describe('a wait', () => {
  it.each([
    ['2d', 172_800_000],
    ['90s', 90_000],
    ['36525d', 3_155_760_000_000],
    ['36526d', undefined],
    ['1 d', undefined],
    ['', undefined],
  ])('of %j takes %j ms', (text, ms) => {
    expect(parseWaitMs(text)).toBe(ms);
  });

  it('may be longer than a timer', () => {
    expect(parseDurationMs('24d')).toBe(2_073_600_000);
    expect(parseDurationMs('25d')).toBeUndefined();
    expect(parseWaitMs('25d')).toBe(2_160_000_000);
  });
});
