import { describe, expect, it } from 'vitest';

import { parseMachine, parseProcess, shareOfOthers, timeBelow } from '../../harness/busy.ts';

describe('the share of the CPU time that other programs take', () => {
  const from = { total: 1_000, busy: 300, ours: 200 };

  it('is what neither this run spent nor was idle', () => {
    // Of 100 ticks 80 were spent, 30 of them here.
    expect(shareOfOthers(from, { total: 1_100, busy: 380, ours: 230 })).toBeCloseTo(0.5);
  });

  it('is nothing where this run alone keeps every core at work', () => {
    expect(shareOfOthers(from, { total: 1_100, busy: 400, ours: 300 })).toBe(0);
  });

  it('stays within 0 and 1, also where the clocks say nothing or disagree', () => {
    expect(shareOfOthers(from, from)).toBe(0);
    expect(shareOfOthers(from, { total: 1_010, busy: 310, ours: 215 })).toBe(0);
    // A process of this run that ended unseen takes its time with it.
    expect(shareOfOthers(from, { total: 1_010, busy: 310, ours: 150 })).toBe(1);
  });
});

describe('what /proc says', () => {
  it('of the machine: time waiting for disks is idle, stolen time is not', () => {
    const text = 'cpu  10 1 20 500 30 2 3 40 7 0\ncpu0 10 1 20 500 30 2 3 40 7 0\n';
    expect(parseMachine(text)).toEqual({ total: 606, busy: 76 });
  });

  it('of a process, whatever it is called', () => {
    const text = '42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 99';
    expect(parseProcess(text)).toEqual({ pid: 42, parent: 7, ticks: 127 });
  });

  it('of a run: the time of all processes below its first one, and of no other', () => {
    const processes = [
      { pid: 1, parent: 0, ticks: 1_000 },
      { pid: 2, parent: 1, ticks: 1 },
      { pid: 3, parent: 2, ticks: 10 },
      { pid: 4, parent: 3, ticks: 100 },
      { pid: 5, parent: 1, ticks: 10_000 },
    ];
    expect(timeBelow(2, processes)).toBe(111);
  });
});
