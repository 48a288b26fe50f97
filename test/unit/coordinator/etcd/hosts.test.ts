import { describe, expect, test } from 'vitest';

import { shunSilentHosts, type FaultPolicy } from '../../../../coordinator/etcd/hosts.ts';
import { HandClock } from '../hand-clock.ts';

const unavailable = Object.assign(new Error('No connection established'), { code: 14 });
const refused = Object.assign(new Error('lease not found'), { code: 5 });

function fails(host: FaultPolicy, error: Error): Promise<unknown> {
  return host
    .execute(() => Promise.reject(error))
    .then(
      () => 'answered',
      (thrown: unknown) => thrown,
    );
}

async function calledThrough(host: FaultPolicy): Promise<boolean> {
  let called = false;
  await Promise.resolve(
    host.execute(() => {
      called = true;
    }),
  ).catch(() => undefined);
  return called;
}

describe('the members of an etcd cluster', () => {
  test('one that does not answer is left out for a while, and longer when it stays silent', async () => {
    const clock = new HandClock();
    const policyOf = shunSilentHosts(clock);
    const [dead, live] = [policyOf('a'), policyOf('b')];
    expect(await fails(dead, unavailable)).toBe(unavailable);
    expect(await calledThrough(dead)).toBe(false);
    expect(await calledThrough(live)).toBe(true);
    await clock.advance(1_001);
    expect(await fails(dead, unavailable)).toBe(unavailable);
    await clock.advance(1_001);
    expect(await calledThrough(dead)).toBe(false);
    await clock.advance(1_000);
    expect(await calledThrough(dead)).toBe(true);
  });

  test('the last one is asked in any case', async () => {
    const policyOf = shunSilentHosts(new HandClock());
    const [a, b] = [policyOf('a'), policyOf('b')];
    await fails(a, unavailable);
    await fails(b, unavailable);
    expect(await calledThrough(a)).toBe(true);
    const alone = shunSilentHosts(new HandClock())('a');
    await fails(alone, unavailable);
    expect(await calledThrough(alone)).toBe(true);
  });

  test('an answer that says no is an answer', async () => {
    const policyOf = shunSilentHosts(new HandClock());
    const [a] = [policyOf('a'), policyOf('b')];
    expect(await fails(a, refused)).toBe(refused);
    expect(await calledThrough(a)).toBe(true);
  });
});
