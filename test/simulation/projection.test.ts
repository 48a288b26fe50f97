import { describe, expect, test } from 'vitest';

import { HELD, Scene } from './scene.ts';

describe('the line of an instance in the projection', () => {
  const line = (scene: Scene) => scene.cluster.postgres.projection.get('i');

  test('follows each advance at once, and once it rests if it is advanced over and over', async () => {
    const scene = new Scene([HELD, { ...HELD, id: 'b' }, { ...HELD, id: 'c' }]);
    await scene.held();
    await scene.result(scene.advance('q1', { maxCells: 1 }));
    expect(line(scene)).toMatchObject({ status: 'ready', lastSeq: 2 });
    await scene.result(scene.advance('q2', { maxCells: 1 }));
    expect(line(scene)).toMatchObject({ status: 'running', lastSeq: 3 });
    await scene.pass(400);
    expect(line(scene)).toMatchObject({ status: 'ready', lastSeq: 4 });
    await scene.result(scene.advance('q3', { maxCells: 1 }));
    expect(line(scene)).toMatchObject({ status: 'completed', lastSeq: 6 });
  });

  test('says running once for an instance that is advanced over and over, and a sweep finds what a crash leaves open', async () => {
    const scene = new Scene([
      HELD,
      { ...HELD, id: 'b' },
      { ...HELD, id: 'c' },
      { ...HELD, id: 'd' },
    ]);
    const holder = await scene.held();
    for (const request of ['q1', 'q2', 'q3'])
      await scene.result(scene.advance(request, { maxCells: 1 }));
    expect(line(scene)).toMatchObject({ status: 'running', lastSeq: 3 });
    scene.hold = new Promise(() => undefined);
    void scene.advance('q4', { maxCells: 1 });
    await scene.until('the effect', () => scene.ran.length === 4);
    expect(scene.log).toHaveLength(7);
    expect(line(scene)).toMatchObject({ status: 'running', lastSeq: 3 });
    holder.process.kill();
    await scene.until('the doubt', () => line(scene)?.status === 'in_doubt');
    expect(line(scene)).toMatchObject({ lastSeq: 8 });
  });

  test('says running again from time to time for an instance that goes on for long, so that no sweep takes it for abandoned', async () => {
    const cells = Array.from({ length: 24 }, (_, n) => ({ ...HELD, id: `c${n}` }));
    const scene = new Scene(cells);
    await scene.held();
    await scene.result(scene.advance('q0', { maxCells: 1 }));
    const writtenAtMs = new Set<number>();
    for (let nth = 1; nth < 20; nth++) {
      await scene.result(scene.advance(`q${nth}`, { maxCells: 1 }));
      const { status, updatedAtMs } = line(scene)!;
      expect(status).toBe('running');
      writtenAtMs.add(updatedAtMs);
      expect(scene.cluster.world.nowMs - updatedAtMs).toBeLessThan(400);
      await scene.pass(60);
    }
    const times = [...writtenAtMs];
    for (const [nth, ms] of times.slice(1).entries()) expect(ms - times[nth]!).toBeGreaterThan(245);
    expect(times.length).toBeGreaterThan(2);
  });

  test('that a crash left running is corrected by a sweep, without any request', async () => {
    const scene = new Scene([HELD, { ...HELD, id: 'b' }, { ...HELD, id: 'c' }]);
    const holder = await scene.held();
    await scene.result(scene.advance('q1', { maxCells: 1 }));
    await scene.result(scene.advance('q2', { maxCells: 1 }));
    holder.process.kill();
    expect(line(scene)).toMatchObject({ status: 'running', lastSeq: 3 });
    await scene.until('the corrected line', () => line(scene)?.status === 'ready');
    expect(line(scene)).toMatchObject({ lastSeq: 4 });
    expect(scene.log).toHaveLength(4);
  });
});
