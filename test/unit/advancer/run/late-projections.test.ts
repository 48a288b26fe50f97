import { beforeEach, describe, expect, it } from 'vitest';

import type { ProjectionLine } from '../../../../advancer/log/log.ts';
import { LateProjections, type Lagging } from '../../../../advancer/run/late-projections.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

describe('lines that were left for later', () => {
  const clock = new HandClock();
  let written: string[][];
  let answer: () => Promise<void>;
  let troubles: unknown[];
  let late: LateProjections;

  beforeEach(() => {
    written = [];
    troubles = [];
    answer = () => Promise.resolve();
    const project = (lines: readonly ProjectionLine[]): Promise<void> => {
      written.push(lines.map(({ instanceId }) => instanceId));
      return answer();
    };
    late = new LateProjections(clock, { project }, (cause) => troubles.push(cause));
  });

  it('are written together, soon', async () => {
    late.add(line('i'));
    late.add(line('j'));
    await clock.advance(50);
    expect(written).toEqual([]);
    await clock.advance(100);
    expect(written).toEqual([['i', 'j']]);
    await clock.advance(1_000);
    expect(written).toHaveLength(1);
    expect(clock.timers).toBe(0);
  });

  it('wait for an instance to come to rest, and hold up no other', async () => {
    let rests = false;
    const busy: Lagging = {
      lateLine: (nowMs) =>
        rests || nowMs === Number.POSITIVE_INFINITY ? line('busy').lateLine() : 'later',
    };
    late.add(busy);
    late.add(line('i'));
    await clock.advance(500);
    expect(written).toEqual([['i']]);
    rests = true;
    await clock.advance(100);
    expect(written).toEqual([['i'], ['busy']]);
  });

  it('are forgotten where an append has written them meanwhile', async () => {
    late.add({ lateLine: () => undefined });
    await clock.advance(500);
    expect(written).toEqual([]);
    expect(clock.timers).toBe(0);
  });

  it('are written at once when the replica leaves, at rest or not', async () => {
    late.add({
      lateLine: (nowMs) => (nowMs === Number.POSITIVE_INFINITY ? line('busy').lateLine() : 'later'),
    });
    await late.flush();
    expect(written).toEqual([['busy']]);
  });

  it('are five hundred to a statement', async () => {
    for (let n = 0; n < 1_001; n += 1) late.add(line(`i${n}`));
    await late.flush();
    expect(written.map((lines) => lines.length)).toEqual([500, 500, 1]);
  });

  it('are left to a sweep when they cannot be written, and the next ones are tried all the same', async () => {
    const away = new Error('away');
    answer = () => Promise.reject(away);
    late.add(line('i'));
    await clock.advance(100);
    expect(troubles).toEqual([away]);
    answer = () => Promise.resolve();
    late.add(line('j'));
    await clock.advance(100);
    expect(written).toEqual([['i'], ['j']]);
  });
});

function line(instanceId: string): { lateLine: () => ProjectionLine } {
  return {
    lateLine: () => ({ instanceId, lastSeq: 2, projection: { status: 'ready', nextCellId: 'b' } }),
  };
}
