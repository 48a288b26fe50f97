import { describe, expect, it } from 'vitest';

import { subjectRest, subjects } from '../../../../src/bus/subjects.ts';

describe('subjects', () => {
  it('are those of the contract', () => {
    const names = subjects('prod');
    expect(names.start).toBe('leasehold.prod.start');
    expect(names.advance('i-1')).toBe('leasehold.prod.advance.i-1');
    expect(names.replica('r-1')).toBe('leasehold.prod.replica.r-1');
    expect(names.answered).toBe('leasehold.prod.answered');
    expect(names.leaving).toBe('leasehold.prod.leaving');
    expect(names.all('event')).toBe('leasehold.prod.event.>');
    expect(subjectRest('leasehold.prod.advance.i-1')).toBe('i-1');
  });

  it.each(['', '*', '>', 'a b', 'a.b', 'a\r\nPUB x 0', 'é', 'x'.repeat(129)])(
    'take no %j',
    (id) => {
      expect(() => subjects(id)).toThrow(RangeError);
      expect(() => subjects('prod').advance(id)).toThrow(RangeError);
    },
  );
});
