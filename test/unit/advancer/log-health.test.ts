import { expect, it } from 'vitest';

import { LogHealth } from '../../../advancer/log-health.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { HandClock } from '../coordinator/hand-clock.ts';

function keeper(highestToken: () => number): LogHealth {
  const log = {
    check: () => Promise.resolve(),
    highestToken: () => Promise.resolve(highestToken()),
  };
  return new LogHealth({ log, clock: systemClock } as never);
}

/** One whose hand-backs are noted down. */
function looker(clock: HandClock, check: () => Promise<void>, handedBack: string[]): LogHealth {
  return new LogHealth({
    log: { check, highestToken: () => Promise.resolve(0) },
    clock,
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    handBack(why) {
      handedBack.push(why);
      return Promise.resolve();
    },
  });
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

it('a replica that stood still hands nothing back before it has read that Postgres answers', async () => {
  const clock = new HandClock();
  const handedBack: string[] = [];
  let answer = (): void => undefined;
  const check = new Promise<void>((resolve) => (answer = resolve));
  const looking = looker(clock, () => check, handedBack);
  looking.notice(new Error('a statement was not answered'));
  // The timer is the first thing that runs after the stop; the answer that came meanwhile is read
  // after it.
  clock.after(500, () => queueMicrotask(answer));
  await clock.advance(2_000);
  expect(handedBack).toEqual([]);
  expect(looking.trouble).toBeUndefined();
});

it('a replica whose Postgres does not answer hands back after half a second', async () => {
  const clock = new HandClock();
  const handedBack: string[] = [];
  const looking = looker(clock, () => new Promise<void>(() => undefined), handedBack);
  looking.notice(new Error('a statement was not answered'));
  await clock.advance(490);
  expect(handedBack).toEqual([]);
  await clock.advance(20);
  expect(handedBack).toEqual(['Postgres cannot be used: no answer within 500 ms']);
});
