import { beforeEach, describe, expect, it } from 'vitest';

import { WaitingRoom, type Waiter } from '../../../../advancer/intake/waiting-room.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

describe('the waiting room', () => {
  let clock: HandClock;
  let room: WaitingRoom;
  let admitted: string[];
  let quietSince: number[];
  let startMs: number;

  beforeEach(() => {
    clock = new HandClock();
    startMs = clock.monotonicMs();
    room = new WaitingRoom(clock, 60, 200);
    admitted = [];
    quietSince = [];
  });

  const enter = (name: string, holder = 'h'): Waiter =>
    room.enter(holder, (sinceMs) => {
      admitted.push(name);
      quietSince.push(sinceMs - startMs);
    });

  it('admits each waiter once its wait is over, in order', async () => {
    enter('a');
    await clock.advance(30);
    enter('b');
    await clock.advance(29);
    expect(admitted).toEqual([]);
    await clock.advance(2);
    expect(admitted).toEqual(['a']);
    await clock.advance(31);
    expect(admitted).toEqual(['a', 'b']);
    expect(quietSince).toEqual([0, 30]);
    expect(clock.timers).toBe(0);
  });

  it('admits no waiter that has left or was admitted before', async () => {
    const [left, called] = [enter('left'), enter('called')];
    expect(room.leave(left)).toBe(true);
    await clock.advance(20);
    room.admitNow(called);
    expect(admitted).toEqual(['called']);
    expect(quietSince).toEqual([20]);
    expect(room.leave(called)).toBe(false);
    room.admitNow(called);
    await clock.advance(200);
    expect(admitted).toEqual(['called']);
  });

  it('lets a process that was stalled first read what came meanwhile', async () => {
    const answered = enter('answered');
    enter('not answered');
    // The timer runs first after the stall; the notice that came meanwhile is read after it.
    clock.after(60, () => queueMicrotask(() => room.leave(answered)));
    await clock.advance(500);
    expect(admitted).toEqual(['not answered']);
  });

  it('counts the wait from the last answer of the holder, only for those that wait for it', async () => {
    enter('a');
    enter('x', 'another');
    await clock.advance(40);
    enter('b');
    room.holderAnswered('h');
    room.holderAnswered('nobody waits for this one');
    await clock.advance(25);
    expect(admitted).toEqual(['x']);
    await clock.advance(30);
    expect(admitted).toEqual(['x']);
    await clock.advance(20);
    expect(admitted).toEqual(['x', 'a', 'b']);
    expect(quietSince).toEqual([0, 40, 40]);
  });

  it('lets no request wait forever, however much the holder answers others', async () => {
    enter('unheard');
    for (let served = 0; served < 10; served += 1) {
      await clock.advance(25);
      room.holderAnswered('h');
    }
    expect(admitted).toEqual(['unheard']);
    expect(quietSince).toEqual([0]);
  });

  it('admits each waiter at most once, even if some leave or enter while another is admitted', async () => {
    const second: { waiter?: Waiter } = {};
    room.enter('h', () => {
      admitted.push('first');
      room.leave(second.waiter!);
      enter('third');
    });
    second.waiter = enter('second');
    await clock.advance(70);
    expect(admitted).toEqual(['first']);
    await clock.advance(70);
    expect(admitted).toEqual(['first', 'third']);
    expect(clock.timers).toBe(0);
  });
});
