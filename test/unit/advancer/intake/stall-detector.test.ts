import { describe, expect, it } from 'vitest';

import { StallDetector } from '../../../../advancer/intake/stall-detector.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

function beating(): { clock: HandClock; pulse: StallDetector } {
  const clock = new HandClock();
  const pulse = new StallDetector(clock);
  pulse.start();
  return { clock, pulse };
}

describe('how old a message may be that is handled now', () => {
  it('is nothing while the process runs', async () => {
    const { clock, pulse } = beating();
    expect(pulse.maxAgeMs()).toBe(0);
    await clock.advance(60_000);
    expect(pulse.maxAgeMs()).toBe(0);
  });

  it('is the whole time that the process stood still, seen even before any timer could fire', async () => {
    const { clock, pulse } = beating();
    await clock.advance(500);
    clock.jump(5_000);
    expect(pulse.maxAgeMs()).toBeGreaterThanOrEqual(5_000);
    expect(pulse.maxAgeMs()).toBeLessThanOrEqual(5_100);
  });

  it('goes on for a second after waking, since what waited in sockets is read bit by bit', async () => {
    const { clock, pulse } = beating();
    clock.jump(5_000);
    // The timers fire first, and do not make it forget.
    await clock.advance(900);
    expect(pulse.maxAgeMs()).toBeGreaterThanOrEqual(5_900);
    await clock.advance(200);
    expect(pulse.maxAgeMs()).toBe(0);
  });

  it('a short pause, such as a collection of garbage, is none', async () => {
    const { clock, pulse } = beating();
    clock.jump(900);
    expect(pulse.maxAgeMs()).toBe(0);
    await clock.advance(1_000);
    clock.jump(800);
    expect(pulse.maxAgeMs()).toBe(0);
  });

  it('counts from the first standstill when a second follows at once', async () => {
    const { clock, pulse } = beating();
    clock.jump(5_000);
    await clock.advance(150);
    clock.jump(3_000);
    expect(pulse.maxAgeMs()).toBeGreaterThanOrEqual(8_150);
    await clock.advance(2_000);
    expect(pulse.maxAgeMs()).toBe(0);
    clock.jump(3_000);
    expect(pulse.maxAgeMs()).toBeLessThanOrEqual(3_100);
  });
});

it('leaves no timer behind, and may be stopped twice and started again', async () => {
  const { clock, pulse } = beating();
  pulse.stop();
  pulse.stop();
  expect(clock.timers).toBe(0);
  clock.jump(60_000);
  pulse.start();
  pulse.start();
  expect(clock.timers).toBe(1);
  expect(pulse.maxAgeMs()).toBe(0);
  pulse.stop();
  expect(clock.timers).toBe(0);
});
