import { expect, it } from 'vitest';

import { LogKeeper } from '../../advancer/log-keeper.ts';
import { systemClock } from '../../src/clock.ts';

function keeper(highestToken: () => number): LogKeeper {
  const log = { check: () => Promise.resolve(), highestToken: () => Promise.resolve(highestToken()) };
  return new LogKeeper({ log, clock: systemClock } as never);
}

it('tokens that others get while the gate looks are no sign of a restored etcd', async () => {
  let etcd = 40;
  // Between any two questions, somebody acquires and appends.
  const gate = keeper(() => (etcd += 1));
  await expect(gate.gate(() => Promise.resolve((etcd += 1)))).resolves.toBeUndefined();
});

it('an etcd below the log is refused, with the mend', async () => {
  const refused = await keeper(() => 41).gate(() => Promise.resolve(40));
  expect(refused).toContain('etcd is at revision 40, below token 41');
  expect(refused).toContain('--bump-revision 41');
});
