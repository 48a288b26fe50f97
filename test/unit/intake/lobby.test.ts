import { beforeEach, describe, expect, it } from 'vitest';

import { Lobby } from '../../../advancer/intake/lobby.ts';
import { HandClock } from '../coordinator/hand-clock.ts';

describe('the lobby', () => {
  let clock: HandClock;
  let lobby: Lobby;
  let admitted: string[];

  beforeEach(() => {
    clock = new HandClock();
    lobby = new Lobby(clock, 60);
    admitted = [];
  });

  const enter = (name: string): { name: string } => {
    const key = { name };
    lobby.enter(key, () => admitted.push(name));
    return key;
  };

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
  });

  it('admits nobody who has left, or was called in before', async () => {
    const [left, called] = [enter('left'), enter('called')];
    expect(lobby.leave(left)).toBe(true);
    lobby.callIn(called);
    expect(admitted).toEqual(['called']);
    expect(lobby.leave(called)).toBe(false);
    await clock.advance(200);
    expect(admitted).toEqual(['called']);
  });

  it('lets a process that stood still read first what came meanwhile', async () => {
    const answered = enter('answered');
    enter('not answered');
    // The timer is the first thing that runs after the stop; the note that came meanwhile is read after it.
    clock.after(60, () => queueMicrotask(() => lobby.leave(answered)));
    await clock.advance(500);
    expect(admitted).toEqual(['not answered']);
  });
});
