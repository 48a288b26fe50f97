import { describe, expect, test } from 'vitest';

import type { EffectRunner } from '../../advancer/cells/cells.ts';
import type { Log } from '../../advancer/log/log.ts';
import { over } from '../harness/controls.ts';
import type { Cluster } from './cluster.ts';
import { runSeed } from './run.ts';
import { HELD, Scene } from './scene.ts';
import { HANDLERS } from './sim-effects.ts';
import { UNSTORABLE } from './unstorable.ts';
import { SimProcess } from './world.ts';

const OTHER = ['other'];

/** What the replicas have said about who can run what, in order. */
function notesOf({ world, nats, subjects }: Cluster): { by: string; to?: string }[] {
  const notes: { by: string; to?: string }[] = [];
  nats.bus(new SimProcess(world, 'listener')).subscribe(subjects.placed, ({ data }) => {
    notes.push(JSON.parse(new TextDecoder().decode(data)) as { by: string; to?: string });
  });
  return notes;
}

describe('a cell whose handler a replica lacks', () => {
  test('is run by the one replica that has it, whichever acquires the instance first', async () => {
    for (const instanceId of ['i', 'j']) {
      const scene = new Scene([HELD], { handlers: (nth) => (nth === 3 ? HANDLERS : OTHER) });
      await scene.pass(500);
      const receipt = await scene.result(scene.advance('q1', {}, instanceId));
      expect(receipt).toMatchObject({ outcome: 'completed', steps: [{ attempt: 1 }, {}] });
      expect(receipt.holder?.replicaId).toMatch(/^r3-/);
      expect(scene.cluster.postgres.rowsOf(instanceId)).toHaveLength(2);
    }
  });

  test('is handed over at once, by naming the replica that has it', async () => {
    const scene = new Scene([HELD], { handlers: (nth) => (nth === 3 ? HANDLERS : OTHER) });
    const notes = notesOf(scene.cluster);
    await scene.pass(500);
    const startMs = scene.cluster.world.nowMs;
    await scene.result(scene.advance('q1'));
    expect(notes.map(({ to }) => to)).toEqual(notes.map(() => 'r3-00000003'));
    expect(notes.length).toBeLessThanOrEqual(1);
    expect(scene.cluster.world.nowMs - startMs).toBeLessThan(250);
  });

  test('that no replica has is not begun: the receipt names the handler, and nothing is written', async () => {
    const scene = new Scene([HELD], { handlers: () => OTHER });
    await scene.pass(500);
    for (const requestId of ['q1', 'q2', 'q3']) {
      const receipt = await scene.result(scene.advance(requestId));
      expect(receipt).toMatchObject({ outcome: 'unavailable', steps: [] });
      expect(receipt.error?.message).toContain('no handler any');
    }
    expect(scene.log).toEqual([]);
  });

  test('is run as soon as a replica that has it joins', async () => {
    const scene = new Scene([HELD], { handlers: (nth) => (nth > 3 ? HANDLERS : OTHER) });
    await scene.pass(500);
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('unavailable');
    scene.cluster.startReplica();
    await scene.pass(500);
    expect(await scene.result(scene.advance('q1'))).toMatchObject({ outcome: 'completed' });
  });

  test('is run by a replica that does not say what it has, if no other is known to have it', async () => {
    const scene = new Scene([HELD], {
      handlers: (nth) => (nth === 1 ? HANDLERS : OTHER),
      silent: (nth) => nth === 1,
    });
    await scene.pass(500);
    const receipt = await scene.result(scene.advance('q1'));
    expect(receipt).toMatchObject({ outcome: 'completed', holder: { replicaId: 'r1-00000001' } });
  });

  test('costs a fleet with equal handlers nothing: no note, no further read', async () => {
    const scene = new Scene([HELD, { ...HELD, id: 'next' }]);
    const notes = notesOf(scene.cluster);
    await scene.pass(500);
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('completed');
    expect(notes).toEqual([]);
  });
});

/** Effects that a process cannot begin, although nothing was wrong before the intent. */
function outOfFiles(until: () => boolean) {
  return (_process: SimProcess, standard: EffectRunner): EffectRunner => ({
    ...standard,
    run: (cell, context, signals) =>
      until()
        ? standard.run(cell, context, signals)
        : Promise.resolve({ kind: 'wrong_replica', why: 'EMFILE', detail: {} }),
  });
}

describe('an effect that a replica finds it cannot begin', () => {
  test('is tried once by each live replica, then the receipt is unavailable, with the reason', async () => {
    const scene = new Scene([HELD], { wrap: outOfFiles(() => false) });
    await scene.pass(500);
    const receipt = await scene.result(scene.advance('q1'));
    expect(receipt.outcome).toBe('unavailable');
    expect(receipt.error?.message).toContain('EMFILE');
    const begun = scene.cluster.postgres.rowsOf('i').filter(({ kind }) => kind === 'started');
    expect(new Set(begun.map(({ replicaId }) => replicaId)).size).toBe(3);
    expect(begun).toHaveLength(3);
    const keys = begun.map(({ body }) => body['idempotencyKey']);
    expect(new Set(keys)).toEqual(new Set(['i/charge/1']));
  });

  test('never loops: an agent that asks all the time gets a few rows written', async () => {
    const scene = new Scene([HELD], { wrap: outOfFiles(() => false) });
    await scene.pass(500);
    const endMs = scene.cluster.world.nowMs + 120_000;
    for (let nth = 1; scene.cluster.world.nowMs < endMs; nth += 1) {
      const { outcome } = await scene.result(scene.advance(`q${nth}`));
      // Where the notice that a request is answered arrives before the request, that one goes on.
      expect(['unavailable', 'in_flight']).toContain(outcome);
      await scene.pass(100);
    }
    const begun = scene.log.filter((line) => line.startsWith('started'));
    // Waits of 200 ms, doubling: ten of them take longer than two minutes.
    expect(begun.length).toBeGreaterThan(5);
    expect(begun.length).toBeLessThanOrEqual(11);
  });

  test('is run once the shortage is over, under the same key, and without a retry used up', async () => {
    let ended = false;
    const scene = new Scene([{ ...HELD, retry: { attempts: 1 } }], {
      wrap: outOfFiles(() => ended),
    });
    await scene.pass(500);
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('unavailable');
    ended = true;
    await scene.pass(1_000);
    expect((await scene.result(scene.advance('q2'))).outcome).toBe('completed');
    expect(scene.ran.at(-1)?.idempotencyKey).toBe('i/charge/1');
  });
});

describe('an entry that Postgres refuses for what it holds', () => {
  const refusing = (kind: string) => (log: Log) =>
    over(log, {
      append: (entry) =>
        entry.rows.some((row) => row.kind === kind && row.instanceId === 'i')
          ? Promise.resolve({ kind: 'rejected', why: 'row-level security', ofData: false })
          : log.append(entry),
    });

  test('ends the work on that instance with the reason, and no other instance nor any process', async () => {
    const scene = new Scene([HELD], { log: refusing('started') });
    await scene.pass(500);
    const [refused, fine] = await Promise.all([
      scene.result(scene.advance('q1')),
      scene.result(scene.advance('q2', {}, 'j')),
    ]);
    expect(refused).toMatchObject({ outcome: 'unavailable', steps: [] });
    expect(refused.error?.message).toContain('row-level security');
    expect(fine.outcome).toBe('completed');
    expect(scene.cluster.living).toHaveLength(3);
    expect(scene.ran.map(({ instanceId }) => instanceId)).toEqual(['j']);
  });

  test('never makes a false outcome: what happened is kept as evidence, and settles the doubt', async () => {
    const scene = new Scene([HELD], { log: refusing('completed') });
    await scene.pass(500);
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('unavailable');
    expect((await scene.result(scene.advance('q2'))).outcome).toBe('completed');
    expect(scene.log).toEqual([
      'started charge 1',
      'interrupted charge 1 crash',
      'decided charge 1 succeeded by @late-outcome',
    ]);
    expect(scene.ran).toHaveLength(1);
  });

  test('that cannot even be kept as evidence leaves a doubt for a person', async () => {
    const scene = new Scene([HELD], {
      log: (log) =>
        over(refusing('completed')(log), {
          addLateOutcome: () => Promise.reject(new Error('row-level security')),
        }),
    });
    await scene.pass(500);
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('unavailable');
    expect((await scene.result(scene.advance('q2'))).outcome).toBe('in_doubt');
    expect(scene.log).toEqual(['started charge 1', 'interrupted charge 1 crash']);
    expect(scene.ran).toHaveLength(1);
  });

  test('is recorded with less: a success stays a success, and its output is lost', async () => {
    const scene = new Scene([HELD], {
      wrap: (_process, standard) => ({
        ...standard,
        run: async (cell, context, signals) => {
          await standard.run(cell, context, signals);
          return { kind: 'completed', output: UNSTORABLE, detail: {} };
        },
      }),
    });
    await scene.pass(500);
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('completed');
    expect(scene.cluster.postgres.rowsOf('i').at(-1)?.body['output']).toEqual({
      outputLost: {
        why: 'Postgres refuses it: invalid data (SQLSTATE 22P05)',
        bytes: UNSTORABLE.length,
        head: UNSTORABLE,
      },
    });
    expect(scene.ran).toHaveLength(1);
  });
});

describe('negative control', () => {
  test('a replica that runs cells without their handlers records a false failure', async () => {
    const found = [];
    for (let seed = 3; seed <= 60 && found.length === 0; seed += 3) {
      const { breaches } = await runSeed(seed, { effects: failingWithoutHandler });
      found.push(...breaches);
    }
    expect(found.map(({ what }) => what).join('\n')).toContain('lacks a handler');
  });
});

/** As it was: a missing handler is a failure of the cell. */
function failingWithoutHandler(_process: SimProcess, standard: EffectRunner): EffectRunner {
  return {
    ...standard,
    unfitFor: () => undefined,
    run: async (cell, context, signals) => {
      const outcome = await standard.run(cell, context, signals);
      if (outcome.kind !== 'wrong_replica' || standard.unfitFor(cell.exec) === undefined)
        return outcome;
      const error = { message: outcome.why, code: 'unknown_handler' };
      return { kind: 'failed', class: 'refused', error, detail: outcome.detail };
    },
  };
}
