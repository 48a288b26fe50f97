import { expect, it } from 'vitest';

import { Placements } from '../../../../advancer/intake/placements.ts';

const NOTE = { instanceId: 'i', by: 'a', to: 'b', forMs: 1_000, why: 'no handler' };

it('a note says who cannot and who can, for as long as it counts', () => {
  const placements = new Placements();
  placements.add(NOTE, 0);
  expect(placements.avoids('i', 'a', 999)).toBe('no handler');
  expect(placements.first('i', 999)).toBe('b');
  expect(placements.avoids('i', 'a', 1_000)).toBeUndefined();
  expect(placements.first('i', 1_000)).toBeUndefined();
  expect(placements.avoids('other', 'a', 0)).toBeUndefined();
});

it('several replicas may be unable; the newest note names who is first', () => {
  const placements = new Placements();
  placements.add(NOTE, 0);
  placements.add({ ...NOTE, by: 'b', to: 'c' }, 10);
  expect(placements.avoids('i', 'a', 500)).toBe('no handler');
  expect(placements.avoids('i', 'b', 500)).toBe('no handler');
  expect(placements.first('i', 500)).toBe('c');
});

it('a note counts for a minute at most, whatever it says', () => {
  const placements = new Placements();
  placements.add({ ...NOTE, forMs: 1e12 }, 0);
  expect(placements.avoids('i', 'a', 60_000)).toBeUndefined();
});

it('remembers ten thousand instances at most, the newest ones', () => {
  const placements = new Placements();
  for (let nth = 0; nth < 10_001; nth += 1) placements.add({ ...NOTE, instanceId: `i${nth}` }, 0);
  expect(placements.has('i0')).toBe(false);
  expect(placements.has('i1')).toBe(true);
  expect(placements.has('i10000')).toBe(true);
});
