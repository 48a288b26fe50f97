import { expect, it } from 'vitest';

import { LogHealth } from '../../../advancer/log-health.ts';
import type { TokenPlace } from '../../../advancer/log/log.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { HandClock } from '../coordinator/hand-clock.ts';

function logHealth(highestToken: () => number | bigint): LogHealth {
  const log = {
    check: () => Promise.resolve(),
    highestToken: () => Promise.resolve(placeOf(BigInt(highestToken()))),
  };
  return new LogHealth({ log, clock: systemClock } as never);
}

function placeOf(token: bigint): TokenPlace {
  return { token, table: 'executions', instanceId: 'refund-7', key: '3', replicaId: 'r-00000001' };
}

/** One whose releases are recorded. */
function recording(clock: HandClock, check: () => Promise<void>, released: string[]): LogHealth {
  return new LogHealth({
    log: { check, highestToken: () => Promise.resolve(undefined) },
    clock,
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    release(why) {
      released.push(why);
      return Promise.resolve();
    },
  });
}

it('tokens that others get during the gate are no sign of a restored etcd', async () => {
  let etcd = 40;
  // Between any two reads, another replica acquires and appends.
  const gate = logHealth(() => (etcd += 1));
  await expect(gate.gate(() => Promise.resolve((etcd += 1)))).resolves.toBeUndefined();
});

it('an etcd behind the log is refused, with the way to repair it', async () => {
  const refused = await logHealth(() => 41).gate(() => Promise.resolve(40));
  expect(refused).toContain('etcd is at revision 40, below token 41');
  expect(refused).toContain('--bump-revision 41');
  expect(refused).toContain('instance refund-7, seq 3, token 41, replica r-00000001');
});

it.each([2n ** 63n - 1n, 2n ** 53n - 1n, 2_000_000_000_000n])(
  'a row with token %s, which etcd cannot have issued, is named, with how to remove it',
  async (token) => {
    const refused = await logHealth(() => token).gate(() => Promise.resolve(40));
    const row = `leasehold.executions, instance refund-7, seq 3, token ${token}, replica r-00000001`;
    expect(refused).toContain(row);
    expect(refused).toContain('docs/operations.md, "A row that no replica can have written"');
    expect(refused).not.toContain('--bump-revision');
  },
);

it('a replica that was stalled releases nothing before it has read that Postgres answers', async () => {
  const clock = new HandClock();
  const released: string[] = [];
  let answer = (): void => undefined;
  const check = new Promise<void>((resolve) => (answer = resolve));
  const health = recording(clock, () => check, released);
  health.notice(new Error('a statement was not answered'));
  // The timer runs first after the stall; the answer that came meanwhile is read after it.
  clock.after(500, () => queueMicrotask(answer));
  await clock.advance(2_000);
  expect(released).toEqual([]);
  expect(health.trouble).toBeUndefined();
});

it('a replica whose Postgres does not answer releases its leases after half a second', async () => {
  const clock = new HandClock();
  const released: string[] = [];
  const health = recording(clock, () => new Promise<void>(() => undefined), released);
  health.notice(new Error('a statement was not answered'));
  await clock.advance(490);
  expect(released).toEqual([]);
  await clock.advance(20);
  expect(released).toEqual(['Postgres cannot be used: no answer within 500 ms']);
});

it('is checked without any request: a database that becomes a standby makes the replica not ready', async () => {
  const clock = new HandClock();
  const released: string[] = [];
  let standby = false;
  const check = (): Promise<void> =>
    standby ? Promise.reject(new Error('a standby')) : Promise.resolve();
  const health = recording(clock, check, released);
  health.start();
  await clock.advance(10_000);
  expect(health.trouble).toBeUndefined();
  standby = true;
  await clock.advance(2_100);
  expect(health.trouble).toBe('a standby');
  expect(released[0]).toContain('a standby');
  standby = false;
  await clock.advance(1_000);
  expect(health.trouble).toBeUndefined();
  health.stop();
  await clock.advance(5_000);
  expect(clock.timers).toBe(0);
});
