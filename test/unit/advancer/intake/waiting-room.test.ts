import { beforeEach, describe, expect, it } from 'vitest';

import { WaitingRoom, type Waiter } from '../../../../advancer/intake/waiting-room.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

describe('the lobby', () => {
  let clock: HandClock;
  let lobby: WaitingRoom;
  let admitted: string[];
  let quietSince: number[];
  let startMs: number;

  beforeEach(() => {
    clock = new HandClock();
    startMs = clock.monotonicMs();
    lobby = new WaitingRoom(clock, 60, 200);
    admitted = [];
    quietSince = [];
  });

  const enter = (name: string, holder = 'h'): Waiter =>
    lobby.enter(holder, (sinceMs) => {
      admitted.push(name);
      quietSince.push(sinceMs - startMs);
    });

  it('admits each once its wait is over, in order', async () => {
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

  it('admits nobody who has left, or was called in before', async () => {
    const [left, called] = [enter('left'), enter('called')];
    expect(lobby.leave(left)).toBe(true);
    await clock.advance(20);
    lobby.callIn(called);
    expect(admitted).toEqual(['called']);
    expect(quietSince).toEqual([20]);
    expect(lobby.leave(called)).toBe(false);
    lobby.callIn(called);
    await clock.advance(200);
    expect(admitted).toEqual(['called']);
  });

  it('lets a process that stood still read first what came meanwhile', async () => {
    const answered = enter('answered');
    enter('not answered');
    // The timer is the first thing that runs after the stop; the note that came meanwhile is read
    // after it.
    clock.after(60, () => queueMicrotask(() => lobby.leave(answered)));
    await clock.advance(500);
    expect(admitted).toEqual(['not answered']);
  });

  it('counts the wait from the last that the holder served, for those who wait for it alone', async () => {
    enter('a');
    enter('x', 'another');
    await clock.advance(40);
    enter('b');
    lobby.served('h');
    lobby.served('nobody waits for this one');
    await clock.advance(25);
    expect(admitted).toEqual(['x']);
    await clock.advance(30);
    expect(admitted).toEqual(['x']);
    await clock.advance(20);
    expect(admitted).toEqual(['x', 'a', 'b']);
    expect(quietSince).toEqual([0, 40, 40]);
  });

  it('lets nobody wait for ever, however much the holder serves others', async () => {
    enter('unheard');
    for (let served = 0; served < 10; served += 1) {
      await clock.advance(25);
      lobby.served('h');
    }
    expect(admitted).toEqual(['unheard']);
    expect(quietSince).toEqual([0]);
  });

  it('admits in a round whoever leaves or comes while another is admitted no more and no less than once', async () => {
    const second: { guest?: Waiter } = {};
    lobby.enter('h', () => {
      admitted.push('first');
      lobby.leave(second.guest!);
      enter('third');
    });
    second.guest = enter('second');
    await clock.advance(70);
    expect(admitted).toEqual(['first']);
    await clock.advance(70);
    expect(admitted).toEqual(['first', 'third']);
    expect(clock.timers).toBe(0);
  });
});
