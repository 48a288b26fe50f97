import { describe, expect, it } from 'vitest';

import { StallDetector } from '../../../../advancer/intake/stall-detector.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

function started(): { clock: HandClock; detector: StallDetector } {
  const clock = new HandClock();
  const detector = new StallDetector(clock);
  detector.start();
  return { clock, detector };
}

describe('the longest time that a message handled now may have waited', () => {
  it('is zero while the process runs', async () => {
    const { clock, detector } = started();
    expect(detector.maxAgeMs()).toBe(0);
    await clock.advance(60_000);
    expect(detector.maxAgeMs()).toBe(0);
  });

  it('is the whole stall, even before any timer has fired', async () => {
    const { clock, detector } = started();
    await clock.advance(500);
    clock.jump(5_000);
    expect(detector.maxAgeMs()).toBeGreaterThanOrEqual(5_000);
    expect(detector.maxAgeMs()).toBeLessThanOrEqual(5_100);
  });

  it('stays so for a second after the stall, since sockets are read bit by bit', async () => {
    const { clock, detector } = started();
    clock.jump(5_000);
    // The timers fire first and do not reset it.
    await clock.advance(900);
    expect(detector.maxAgeMs()).toBeGreaterThanOrEqual(5_900);
    await clock.advance(200);
    expect(detector.maxAgeMs()).toBe(0);
  });

  it('a short pause, such as a garbage collection, is no stall', async () => {
    const { clock, detector } = started();
    clock.jump(900);
    expect(detector.maxAgeMs()).toBe(0);
    await clock.advance(1_000);
    clock.jump(800);
    expect(detector.maxAgeMs()).toBe(0);
  });

  it('counts from the first stall when a second follows at once', async () => {
    const { clock, detector } = started();
    clock.jump(5_000);
    await clock.advance(150);
    clock.jump(3_000);
    expect(detector.maxAgeMs()).toBeGreaterThanOrEqual(8_150);
    await clock.advance(2_000);
    expect(detector.maxAgeMs()).toBe(0);
    clock.jump(3_000);
    expect(detector.maxAgeMs()).toBeLessThanOrEqual(3_100);
  });
});

it('leaves no timer behind, and may be stopped twice and started again', async () => {
  const { clock, detector } = started();
  detector.stop();
  detector.stop();
  expect(clock.timers).toBe(0);
  clock.jump(60_000);
  detector.start();
  detector.start();
  expect(clock.timers).toBe(1);
  expect(detector.maxAgeMs()).toBe(0);
  detector.stop();
  expect(clock.timers).toBe(0);
});
