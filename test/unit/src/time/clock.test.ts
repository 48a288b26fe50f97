import { expect, it } from 'vitest';

import { afterReading } from '../../../../src/time/clock.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

it('afterReading fires one turn after it is due, and not at all once it is cancelled', async () => {
  const clock = new HandClock();
  const did: string[] = [];
  afterReading(clock, 50, () => did.push('fired'));
  const early = afterReading(clock, 50, () => did.push('called off before it was due'));
  const late = afterReading(clock, 50, () => did.push('called off by what was read'));
  early.cancel();
  clock.after(50, () => {
    did.push('read');
    late.cancel();
  });
  await clock.advance(200);
  expect(did).toEqual(['read', 'fired']);
  expect(clock.timers).toBe(0);
});
